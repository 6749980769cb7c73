"""Keys: minted, recognised, extracted, and never kept as they are."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.accounts.keys import (
    KeySpec,
    admin_digest,
    credential,
    digest,
    ensure_admin,
    load_pepper,
    mint,
    well_formed,
)
from dragoman.core.failure import Failure, Kind
from dragoman.store.sqlite import SqliteStore

PEPPER = b"p" * 32


def played(folder: Path, scene: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run `scene` on a store in `folder`."""

    async def run() -> None:
        store = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(store)
        finally:
            await store.close()

    asyncio.run(run())


@given(seed=st.integers())
def test_a_minted_key_is_recognised(seed: int) -> None:
    """It has its prefix, 33 characters of base 62, and a checksum that holds."""
    key = mint(random.Random(seed).randbytes)
    assert key.startswith("sk-dm-")
    assert len(key) == 6 + 27 + 6
    assert key.isascii()
    assert well_formed(key)


@given(seed=st.integers(), place=st.integers(6, 38), letter=st.sampled_from("0Az9 -é"))
def test_a_damaged_key_is_noticed(seed: int, place: int, letter: str) -> None:
    """Any one wrong character, a missing or a further one breaks the checksum."""
    key = mint(random.Random(seed).randbytes)
    broken = key[:place] + letter + key[place + 1 :]
    assert well_formed(broken) == (broken == key)
    assert not well_formed(key[:place] + key[place + 1 :])
    assert not well_formed(key + letter)


def test_extreme_bytes_still_make_a_key() -> None:
    """A key's length does not tell how large its number is."""
    assert well_formed(mint(bytes))
    assert well_formed(mint(lambda count: b"\xff" * count))


def test_a_configured_key_is_a_row_that_holds_no_secret() -> None:
    """Its settings become terms and a row as the store would have it; printing it does not show its value."""
    key = KeySpec("a", "sk-a", team="t", models=("m",), expires="2027-01-01", tokens_per_day=5)
    assert (key.row.name, key.row.team, key.row.expires_at) == ("a", "t", 1_798_761_600.0)
    assert (key.terms.models, key.terms.limits.tokens_per_day) == (("m",), 5)
    assert "sk-a" not in repr(key) + repr(key.row)


@pytest.mark.parametrize("words", ["tomorrow", "2027-13-01", "30d"])
def test_a_configured_key_ends_at_a_time(words: str) -> None:
    """Anything else is refused where the configuration is read."""
    with pytest.raises(ValueError, match="expires"):
        KeySpec("a", "sk-a", expires=words)


PLACES: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"authorization": "Bearer K"}, {}),
    ({"authorization": "bearer   K "}, {}),
    ({"x-api-key": "K"}, {}),
    ({"x-goog-api-key": "K"}, {}),
    ({"api-key": "K"}, {}),
    ({}, {"key": "K"}),
]


@pytest.mark.parametrize(("headers", "query"), PLACES)
def test_f45_one_extractor_knows_every_place(headers: dict[str, str], query: dict[str, str]) -> None:
    """A key is found wherever some SDK puts it."""
    assert credential(headers, query) == "K"


@pytest.mark.parametrize("first", PLACES)
@pytest.mark.parametrize("second", PLACES)
def test_f45_two_places_must_agree(
    first: tuple[dict[str, str], dict[str, str]], second: tuple[dict[str, str], dict[str, str]]
) -> None:
    """The same key twice is one key; two different ones are a 400 that repeats neither."""
    headers, query = {**first[0], **second[0]}, {**first[1], **second[1]}
    assert credential(headers, query) == "K"
    other = {name: value.replace("K", "OTHER") for name, value in second[0].items()}
    others = {name: value.replace("K", "OTHER") for name, value in second[1].items()}
    headers, query = {**first[0], **other}, {**first[1], **others}
    if "K" not in "".join((*headers.values(), *query.values())):
        return  # the same place twice: the second value has replaced the first
    with pytest.raises(Failure) as caught:
        credential(headers, query)
    assert (caught.value.kind, caught.value.http_status) == (Kind.INVALID, 400)
    assert "OTHER" not in caught.value.message


@pytest.mark.parametrize("name", ["authorization", "x-api-key"])
def test_f45_a_repeated_header_is_two_credentials(name: str) -> None:
    """Values of a header sent twice arrive joined by a comma and must agree like any two."""
    prefix = "Bearer " if name == "authorization" else ""
    assert credential({name: f"{prefix}K, {prefix}K"}, {}) == "K"
    with pytest.raises(Failure) as caught:
        credential({name: f"{prefix}K, {prefix}L"}, {})
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize("value", ["Basic dXNlcjpLRVk=", "K", "Digest a=b", "Token K"])
def test_f45_only_bearer_authorizes(value: str) -> None:
    """Another scheme is a 401 that says what is wanted."""
    with pytest.raises(Failure) as caught:
        credential({"authorization": value}, {})
    assert caught.value.kind is Kind.UNAUTHENTICATED
    assert "Bearer" in caught.value.message


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": ""}, {"authorization": "Bearer "}, {"api-key": " "}]
)
def test_an_empty_credential_is_none(headers: dict[str, str]) -> None:
    """A header that says nothing is as good as absent."""
    assert credential(headers, {"key": ""}) is None


def test_the_admin_key_is_shown_once(tmp_path: Path) -> None:
    """The first start gets the key; later ones do not, and the store has only its digest."""
    shown: list[str] = []

    async def first(store: SqliteStore) -> None:
        key = await ensure_admin(store, PEPPER, random.Random(1).randbytes)
        assert key is not None
        shown.append(key)
        assert await ensure_admin(store, PEPPER, random.Random(2).randbytes) is None

    async def later(store: SqliteStore) -> None:
        assert await ensure_admin(store, PEPPER, random.Random(3).randbytes) is None
        assert await admin_digest(store, b"another") is None
        assert await admin_digest(store, PEPPER) == digest(PEPPER, shown[0])

    played(tmp_path, first)
    played(tmp_path, later)
    assert shown[0].encode() not in (tmp_path / "dragoman.db").read_bytes()


def test_two_first_starts_make_one_admin_key(tmp_path: Path) -> None:
    """Of two processes that start at once one shows a key, and that one works."""

    async def scene(one: SqliteStore) -> None:
        two = SqliteStore.open(tmp_path / "dragoman.db")
        try:
            made = await asyncio.gather(
                *(ensure_admin(store, PEPPER, random.Random(id(store)).randbytes) for store in (one, two))
            )
        finally:
            await two.close()
        (key,) = [key for key in made if key is not None]
        assert await admin_digest(one, PEPPER) == digest(PEPPER, key)

    played(tmp_path, scene)


def test_another_pepper_gets_an_admin_key_of_its_own(tmp_path: Path) -> None:
    """A lost pepper does not lock the operator out: what it protected is void, and a new key is made."""

    async def scene(store: SqliteStore) -> None:
        old = await ensure_admin(store, PEPPER, random.Random(1).randbytes)
        new = await ensure_admin(store, b"q" * 32, random.Random(2).randbytes)
        assert old is not None
        assert new is not None
        assert await admin_digest(store, b"q" * 32) == digest(b"q" * 32, new) != digest(b"q" * 32, old)

    played(tmp_path, scene)


def test_the_pepper_is_made_once_and_kept_private(tmp_path: Path) -> None:
    """All that start at once on a new folder get the same one, in a file nobody else can read."""
    with ThreadPoolExecutor(8) as threads:
        peppers = set(threads.map(load_pepper, [tmp_path / "data"] * 8))
    assert len(peppers) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["pepper"]
    assert (tmp_path / "data" / "pepper").stat().st_mode & 0o777 == 0o600
    assert len(peppers.pop()) == 64


def test_a_given_pepper_wins(tmp_path: Path) -> None:
    """With one from the environment no file is made."""
    assert load_pepper(tmp_path, "from the environment") == b"from the environment"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64])
def test_an_unusable_pepper_is_refused(tmp_path: Path, content: bytes) -> None:
    """An emptied or foreign file is named, not silently replaced."""
    (tmp_path / "pepper").write_bytes(content)
    with pytest.raises(Failure, match="pepper") as caught:
        load_pepper(tmp_path)
    assert caught.value.kind is Kind.UNAVAILABLE
