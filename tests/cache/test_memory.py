"""Memory holds what was used last, and never more than it may."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dragoman.cache.memory import OVERHEAD, Held, Memory

ONE = OVERHEAD + 10


def held(tenant: str = "anna", recorded_at: float = 1.0, size: int = 10, expires_at: float = 100.0) -> Held:
    """Return an entry."""
    return Held(b"x" * size, tenant, recorded_at, expires_at, recorded_at + 60)


def test_an_entry_is_found_until_its_time() -> None:
    """At its time it is gone, and its bytes with it."""
    memory = Memory()
    memory.put(b"a", held(), ONE)
    assert memory.get(b"a", 99.9) == held()
    assert memory.get(b"b", 1) is None
    assert memory.get(b"a", 100.0) is None
    assert (len(memory), memory.bytes) == (0, 0)


def test_the_longest_unused_goes_first() -> None:
    """To be read is to be used."""
    memory = Memory()
    for name in (b"a", b"b"):
        memory.put(name, held(), 2 * ONE)
    memory.get(b"a", 1)
    memory.put(b"c", held(), 2 * ONE)
    assert memory.get(b"b", 1) is None
    assert memory.get(b"a", 1) is not None


def test_what_is_larger_than_all_of_it_pushes_nobody_out() -> None:
    """An entry that cannot be held leaves the others alone, and replaces its own older one."""
    memory = Memory()
    memory.put(b"a", held(), 2 * ONE)
    memory.put(b"b", held(), 2 * ONE)
    memory.put(b"b", held(size=10_000, recorded_at=2), 2 * ONE)
    assert memory.get(b"a", 1) is not None
    assert memory.get(b"b", 1) is None


def test_an_older_recording_never_replaces_a_younger_one() -> None:
    """A look at the store that was overtaken by a fresh answer brings nothing old back."""
    memory = Memory()
    memory.put(b"a", held(recorded_at=2), ONE)
    memory.put(b"a", held(recorded_at=1), ONE)
    assert memory.get(b"a", 3) == held(recorded_at=2)


def test_a_tenant_is_forgotten_alone() -> None:
    """Another tenant's entries stay."""
    memory = Memory()
    memory.put(b"a", held(), 9 * ONE)
    memory.put(b"b", held("bert"), 9 * ONE)
    assert memory.forget("anna") == 1
    assert memory.get(b"b", 1) is not None
    assert memory.bytes == ONE


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"a", b"b", b"c", b"d"]),
            st.integers(0, 2000),
            st.sampled_from(["anna", "bert"]),
            st.sampled_from(["put", "get", "drop", "forget"]),
        ),
        max_size=60,
    ),
    st.integers(0, 5000),
)
def test_the_bound_always_holds(steps: list[tuple[bytes, int, str, str]], most: int) -> None:
    """Whatever is put, read and dropped, the bytes are counted exactly and never beyond the bound."""
    memory = Memory()
    for place, (name, size, tenant, act) in enumerate(steps):
        if act == "put":
            memory.put(name, held(tenant, place, size, place + 5), most)
        elif act == "get":
            memory.get(name, place)
        elif act == "drop":
            memory.drop(name)
        else:
            memory.forget(tenant)
        assert memory.bytes <= most
        assert memory.bytes == sum(len(one.body) + OVERHEAD for one in memory._entries.values())
