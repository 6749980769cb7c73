"""What the client is told in headers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.extras import Loss
from dragoman.exchange.life import LOSSES_SHOWN, _listed, _printable


@given(st.text())
def test_a_header_value_is_printable_whatever_the_name(name: str) -> None:
    """No control character, no space, no comma, nothing beyond ASCII, and not without end."""
    value = _printable(name)
    assert len(value) <= 200
    assert all("!" <= letter <= "~" and letter != "," for letter in value)


def test_many_losses_are_summed_up() -> None:
    """The first ones by name, then how many more there are."""
    losses = {Loss("dropped", f"field{number}"): None for number in range(LOSSES_SHOWN + 3)}
    listed = _listed(losses).split(", ")
    assert listed[0] == "dropped:field0"
    assert listed[-1] == "and:3-more"
    assert len(listed) == LOSSES_SHOWN + 1
