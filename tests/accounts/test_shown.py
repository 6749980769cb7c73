"""What is shown of keys and groups: everything a person needs, and no secret."""

from __future__ import annotations

import pytest

from dragoman.accounts import shown
from dragoman.accounts.issuing import Held
from dragoman.accounts.terms import LimitTerms, Terms
from dragoman.store.audit import AuditRow
from dragoman.store.keys import GroupRow, KeyRow, SecretRow

ROW = KeyRow(name="alice", team="t", created_at=1.0, expires_at=10.0)


def test_a_key_is_shown_without_its_secret() -> None:
    """The digest is no part of it, and what is nobody's is null; limits stand with their names."""
    terms = Terms(models=("m",), limits=LimitTerms(parallel=2))
    told = shown.key(Held(ROW, terms, (SecretRow("digest-of-it", "alice", 1.0, None, "wxyz"),)), now=5.0)
    assert "digest-of-it" not in str(told)
    assert told["secrets"] == [{"hint": "wxyz", "created_at": 1.0, "expires_at": None}]
    assert (told["team"], told["user"], told["models"]) == ("t", None, ["m"])
    assert told["limits"] == {
        "requests_per_minute": None,
        "requests_per_day": None,
        "tokens_per_minute": None,
        "tokens_per_day": None,
        "parallel": 2,
    }


@pytest.mark.parametrize(
    ("revoked_at", "now", "status"),
    [(None, 9.9, "active"), (None, 10.0, "expired"), (5.0, 6.0, "revoked"), (5.0, 11.0, "revoked")],
)
def test_a_status_is_told(revoked_at: float | None, now: float, status: str) -> None:
    """A revocation counts before an end."""
    row = KeyRow(name="a", created_at=1.0, expires_at=10.0, revoked_at=revoked_at)
    assert shown.key(Held(row, Terms()), now=now)["status"] == status


def test_a_configured_key_has_no_birthday() -> None:
    """Nobody knows when it was made."""
    assert shown.key(Held(ROW, Terms(), origin="config"), now=1.0)["created_at"] is None


def test_a_group_and_an_entry_are_shown() -> None:
    """Terms are told flat, an entry's detail as the object it is."""
    told = shown.group(GroupRow(kind="team", name="t", created_at=2.0, terms=b'{"description":"d"}'))
    assert (told["name"], told["description"], told["models"]) == ("t", "d", [])
    row = AuditRow(3.0, "boss", "key.create", "alice", b'{"is":{"role":"member"}}')
    assert shown.entry(7, row) == {
        "number": 7,
        "at": 3.0,
        "actor": "boss",
        "action": "key.create",
        "subject": "alice",
        "detail": {"is": {"role": "member"}},
    }
