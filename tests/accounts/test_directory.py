"""The directory: who is let in, what a change elsewhere does, and what an outage never does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts.directory import APART_S, GRACE_S, MOST_UNKNOWN, UNKNOWN_S, WATCH_S, Directory
from dragoman.accounts.issuing import Draft, Issuing
from dragoman.accounts.keys import LOCAL, Account, KeySpec, digest, mint
from dragoman.accounts.terms import LimitTerms, Terms
from dragoman.core.failure import Failure, Kind
from dragoman.store.audit import AuditRow
from dragoman.store.keys import KeyRow, SecretRow
from dragoman.store.sqlite import SqliteStore

PEPPER = b"p" * 32
ENTRY = AuditRow(0.0, "test", "test", "test")


class Flaky:
    """A store's keys that count how often they are asked, and may be out of order."""

    def __init__(self, keys: Any) -> None:
        self._keys = keys
        self.looks = 0
        self.broken: BaseException | None = None
        self.gate: asyncio.Event | None = None

    async def version(self) -> int:
        """Count, wait if told to, fail if told to."""
        self.looks += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.broken is not None:
            raise self.broken
        return int(await self._keys.version())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keys, name)


class Scene:
    """A directory over a real store, with clocks of its own."""

    def __init__(self, store: SqliteStore, **given: Any) -> None:
        self.store = store
        self.keys = Flaky(store.keys)
        store._keys = self.keys  # type: ignore[assignment]
        self.wall, self.mono = 1000.0, 50.0
        self.complaints: list[str] = []
        self.paused: list[float] = []
        self.directory = Directory(
            store,
            PEPPER,
            now=lambda: self.wall,
            tick=lambda: self.mono,
            pause=self.pause,
            complain=lambda message, error: self.complaints.append(f"{message}: {error}"),
            **given,
        )
        self.elsewhere = Issuing(store, PEPPER, random=random.Random(1).randbytes, now=lambda: self.wall)
        """Another process that makes keys."""

    async def pause(self, seconds: float) -> None:
        """Move the clock on."""
        self.paused.append(seconds)
        self.mono += seconds
        await asyncio.sleep(0)

    async def made(self, name: str = "alice", **more: Any) -> str:
        """Make a key elsewhere; return its secret."""
        return (await self.elsewhere.create("test", Draft(name=name, **more)))[1]

    async def refused(self, given: str | None) -> tuple[Kind, str | None]:
        """Return how a credential is refused."""
        with pytest.raises(Failure) as caught:
            await self.directory.admit(given)
        assert not given or given not in caught.value.message
        return caught.value.kind, caught.value.code


DOWN = Failure(Kind.UNAVAILABLE, "the database is gone", code="store_unavailable", retry_after_s=2.0)
UNAVAILABLE = (Kind.UNAVAILABLE, "store_unavailable")


def play(folder: Path, scene: Callable[[Scene], Awaitable[None]], **given: Any) -> None:
    """Run `scene` on a directory in `folder`."""

    async def run() -> None:
        store = SqliteStore.open(folder / "dragoman.db")
        try:
            stage = Scene(store, **given)
            await stage.directory.refresh()
            await scene(stage)
        finally:
            await store.close()

    asyncio.run(asyncio.wait_for(run(), 60))


@asynccontextmanager
async def following(directory: Directory) -> AsyncIterator[None]:
    """Let a directory follow the store meanwhile."""
    task = asyncio.get_running_loop().create_task(directory.following())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


MEMBERS = (KeySpec("alice", "sk-alice"), KeySpec("key-1", "any old string"))


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        (None, "missing_api_key", "required"),
        ("", "missing_api_key", "required"),
        ("sk-bob", "invalid_api_key", "not known"),
        ("sk-alice ", "invalid_api_key", "not known"),
        ("SK-ALICE", "invalid_api_key", "not known"),
        ("sk-dm-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "invalid_api_key", "damaged"),
        (mint(bytes), "invalid_api_key", "not known"),
        ("x" * 100_000, "invalid_api_key", "not known"),
        ("\ud800é\x00", "invalid_api_key", "not known"),
    ],
)
def test_an_unknown_key_is_refused(tmp_path: Path, given: str | None, code: str, says: str) -> None:
    """It is a 401 that says what is wrong and does not repeat the key."""

    async def scene(stage: Scene) -> None:
        with pytest.raises(Failure, match=says) as caught:
            await stage.directory.admit(given)
        assert (caught.value.http_status, caught.value.code) == (401, code)
        assert not given or given not in caught.value.message

    play(tmp_path, scene, members=MEMBERS)


def test_keys_of_the_configuration_need_no_store(tmp_path: Path) -> None:
    """They and the admin key are let in under their names, also when nothing was ever read."""

    async def scene(stage: Scene) -> None:
        stage.keys.broken, stage.mono = DOWN, 1e9
        assert (await stage.directory.admit("sk-alice")).name == "alice"
        assert (await stage.directory.admit("any old string")).name == "key-1"
        assert await stage.directory.admit("boss") == Account("admin", "admin")
        assert stage.keys.looks == 1, "the first look, and no other"

    play(tmp_path, scene, members=MEMBERS, admin=digest(PEPPER, "boss"))


def test_what_a_configured_key_may(tmp_path: Path) -> None:
    """All its settings are in its account, and it ends when they say."""
    key = KeySpec(
        "bob",
        "sk-bob",
        role="reader",
        team="t",
        user="u",
        labels={"a": "b"},
        models=("m",),
        routes=("r",),
        expires="1970-01-02",
        requests_per_day=7,
        parallel=2,
    )

    async def scene(stage: Scene) -> None:
        account = await stage.directory.admit("sk-bob")
        assert (account.role, account.team, account.user, account.labels) == ("reader", "t", "u", {"a": "b"})
        assert (account.models, account.routes) == ((("m",), (), ()), (("r",), (), ()))
        assert account.limits == LimitTerms(requests_per_day=7, parallel=2)
        stage.wall = 86_400.0
        assert await stage.refused("sk-bob") == (Kind.UNAUTHENTICATED, "expired_api_key")

    play(tmp_path, scene, members=(key,))


def test_an_account_is_key_team_and_user(tmp_path: Path) -> None:
    """Each restricts; labels of the key win over its user's, and these over its team's."""

    async def scene(stage: Scene) -> None:
        issuing = stage.elsewhere
        team = Terms(labels={"a": "t", "b": "t", "c": "t"}, models=("m*",), limits=LimitTerms(parallel=9))
        user = Terms(labels={"a": "u", "b": "u"}, text=True, limits=LimitTerms(parallel=5))
        await issuing.put_group("test", "team", "research", team)
        await issuing.put_group("test", "user", "carol", user)
        terms = Terms(labels={"a": "k"}, routes=("r",), limits=LimitTerms(requests_per_minute=3))
        secret = await stage.made(team="research", user="carol", terms=terms)
        assert await stage.directory.admit(secret) == Account(
            "alice",
            text=True,
            team="research",
            user="carol",
            labels={"a": "k", "b": "u", "c": "t"},
            models=((), ("m*",), ()),
            routes=(("r",), (), ()),
            limits=LimitTerms(requests_per_minute=3),
            team_limits=LimitTerms(parallel=9),
            user_limits=LimitTerms(parallel=5),
        )

    play(tmp_path, scene)


def test_a_key_made_elsewhere_works_at_once(tmp_path: Path) -> None:
    """Nobody waits for the next look; one look is for all that wait, and one for those who came meanwhile."""

    async def scene(stage: Scene) -> None:
        secret = await stage.made()
        before = stage.keys.looks
        accounts = await asyncio.gather(*(stage.directory.admit(secret) for _ in range(50)))
        assert {account.name for account in accounts} == {"alice"}
        assert stage.keys.looks <= before + 2

    play(tmp_path, scene)


def test_a_flood_of_made_up_keys_is_a_trickle_of_looks(tmp_path: Path) -> None:
    """At most one every 50 ms, however many keys; none for what is no key; the memory of them has an end."""

    async def scene(stage: Scene) -> None:
        chance = random.Random(2)
        for _ in range(40):
            await asyncio.gather(*(stage.refused(mint(chance.randbytes)) for _ in range(25)))
        before, spent = stage.keys.looks, stage.mono - 50.0
        assert before <= spent / APART_S + 2
        for given in ("sk-garbage", "sk-dm-" + "x" * 33, "y" * 600):
            await stage.refused(given)
        assert stage.keys.looks == before
        stage.directory._unknown = {str(number): stage.mono for number in range(MOST_UNKNOWN)}
        await stage.refused(mint(chance.randbytes))
        assert len(stage.directory._unknown) == MOST_UNKNOWN

    play(tmp_path, scene)


def test_the_same_unknown_key_is_not_looked_for_again_and_again(tmp_path: Path) -> None:
    """For a second its first answer holds; then it is looked for once more."""

    async def scene(stage: Scene) -> None:
        given = mint(random.Random(3).randbytes)
        await stage.refused(given)
        before = stage.keys.looks
        for _ in range(100):
            await stage.refused(given)
        assert stage.keys.looks == before
        stage.mono += UNKNOWN_S * 1.01
        await stage.refused(given)
        assert stage.keys.looks == before + 1

    play(tmp_path, scene)


def test_a_change_elsewhere_is_seen_by_who_follows(tmp_path: Path) -> None:
    """A revocation, a change and a team's terms made by another process hold after one look."""

    async def scene(stage: Scene) -> None:
        secret = await stage.made()
        assert (await stage.directory.admit(secret)).role == "member"
        async with following(stage.directory):
            heard = asyncio.Event()
            stage.directory.changed = lambda _: heard.set()
            await stage.elsewhere.change("test", Draft(name="alice", role="reader"))
            await heard.wait()
            assert (await stage.directory.admit(secret)).role == "reader"
            heard.clear()
            await stage.elsewhere.revoke("test", "alice")
            await heard.wait()
            assert await stage.refused(secret) == (Kind.UNAUTHENTICATED, "revoked_api_key")
        assert WATCH_S < 1

    play(tmp_path, scene)


def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    """A look at an unchanged store is one query, and the book stays the very same."""

    async def scene(stage: Scene) -> None:
        book, before = stage.directory.book, stage.keys.looks
        for _ in range(5):
            await stage.directory.refresh()
        assert stage.directory.book is book
        assert stage.keys.looks == before + 5

    play(tmp_path, scene)


def test_a_hint_makes_it_look_now(tmp_path: Path) -> None:
    """Whoever hears of a change need not wait for the next look."""

    async def scene(stage: Scene) -> None:
        async with following(stage.directory):
            while stage.keys.looks < 2:
                await asyncio.sleep(0)
            stage.keys.gate = asyncio.Event()  # whoever looks from now on is seen to
            stage.directory.hint()
            while stage.keys.looks < 3:
                await asyncio.sleep(0)
            stage.keys.gate.set()

    play(tmp_path, scene)


def test_an_expiry_holds_to_the_second_and_needs_no_look(tmp_path: Path) -> None:
    """A key's end is compared with the clock at every request: before it yes, from it on no."""

    async def scene(stage: Scene) -> None:
        secret = await stage.made(expires_at=2000.0)
        await stage.directory.admit(secret)
        before = stage.keys.looks
        stage.wall = 1999.999
        assert (await stage.directory.admit(secret)).expires_at == 2000.0
        stage.wall = 2000.0
        assert await stage.refused(secret) == (Kind.UNAUTHENTICATED, "expired_api_key")
        assert stage.keys.looks == before

    play(tmp_path, scene)


def test_rotation_overlaps(tmp_path: Path) -> None:
    """Both secrets hold until the overlap is over, then only the new one; with none the old ends at once."""

    async def scene(stage: Scene) -> None:
        old = await stage.made()
        _, new = await stage.elsewhere.rotate("test", "alice", overlap_s=100.0)
        await stage.directory.refresh()
        for given in (old, new):
            assert (await stage.directory.admit(given)).name == "alice"
        stage.wall = 1099.9
        await stage.directory.admit(old)
        stage.wall = 1100.0
        assert await stage.refused(old) == (Kind.UNAUTHENTICATED, "expired_api_key")
        await stage.directory.admit(new)
        _, newest = await stage.elsewhere.rotate("test", "alice", overlap_s=0.0)
        await stage.directory.refresh()
        assert await stage.refused(new) == (Kind.UNAUTHENTICATED, "expired_api_key")
        await stage.directory.admit(newest)

    play(tmp_path, scene)


def test_f56_known_keys_go_on_for_a_time_of_grace(tmp_path: Path) -> None:
    """Then it is 503 with a time to come back, and never 401; with the store back all is as before."""

    async def scene(stage: Scene) -> None:
        secret = await stage.made()
        await stage.directory.admit(secret)
        stage.keys.broken = DOWN
        seen = stage.mono
        stage.mono = seen + GRACE_S
        await stage.directory.admit(secret)
        stage.mono = seen + GRACE_S + 0.001
        with pytest.raises(Failure) as caught:
            await stage.directory.admit(secret)
        assert (caught.value.http_status, caught.value.retry_after_s) == (503, 2.0)
        assert len(stage.complaints) == 1, "an outage is complained of once"
        stage.keys.broken = None
        assert (await stage.directory.admit(secret)).name == "alice"

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "error", [DOWN, Failure(Kind.INTERNAL, "a row is refused"), ValueError("a bug")], ids=str
)
def test_f56_a_key_nobody_knows_is_503_during_an_outage(tmp_path: Path, error: BaseException) -> None:
    """Whether it exists cannot be said, so 401 is not said; garbage is no key in any case."""

    async def scene(stage: Scene) -> None:
        secret = await stage.made()
        stage.keys.broken = error
        assert await stage.refused(secret) == UNAVAILABLE
        assert await stage.refused(mint(random.Random(4).randbytes)) == UNAVAILABLE
        assert await stage.refused("garbage") == (Kind.UNAUTHENTICATED, "invalid_api_key")
        stage.keys.broken = None
        assert (await stage.directory.admit(secret)).name == "alice"

    play(tmp_path, scene)


def test_f56_a_store_that_hangs_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look has a deadline; who waits for it gets 503."""
    monkeypatch.setattr("dragoman.accounts.directory.LOOK_S", 0.01)

    async def scene(stage: Scene) -> None:
        stage.keys.gate = asyncio.Event()
        assert await stage.refused(mint(random.Random(5).randbytes)) == UNAVAILABLE

    play(tmp_path, scene)


def test_a_client_that_leaves_takes_nobody_along(tmp_path: Path) -> None:
    """Where the one who looks is cancelled, the next looks itself, and is not told that nothing was found."""

    async def scene(stage: Scene) -> None:
        secret = await stage.made()
        stage.keys.gate = asyncio.Event()
        loop, before = asyncio.get_running_loop(), stage.keys.looks
        first, second = (loop.create_task(stage.directory.admit(secret)) for _ in range(2))
        while stage.keys.looks == before:
            await asyncio.sleep(0)
        first.cancel()
        stage.keys.gate.set()
        assert (await second).name == "alice"
        assert first.cancelled() or first.cancelling()

    play(tmp_path, scene)


def test_a_revocation_by_word_of_mouth_holds(tmp_path: Path) -> None:
    """It wins over the book, over the time of grace, and over a look that does not know of it yet."""

    async def scene(stage: Scene) -> None:
        secret = await stage.made()
        await stage.directory.admit(secret)
        stage.keys.broken = DOWN
        stage.directory.revoke("alice")
        assert await stage.refused(secret) == (Kind.UNAUTHENTICATED, "revoked_api_key")
        stage.keys.broken = None
        await stage.elsewhere.change("test", Draft(name="alice", role="reader"))
        await stage.directory.refresh()
        assert await stage.refused(secret) == (Kind.UNAUTHENTICATED, "revoked_api_key")
        await stage.elsewhere.revoke("test", "alice")
        await stage.directory.refresh()
        assert await stage.refused(secret) == (Kind.UNAUTHENTICATED, "revoked_api_key")
        assert not stage.directory._told, "the book knows it now"

    play(tmp_path, scene)


def test_a_stranger_is_let_in_only_while_there_is_no_key(tmp_path: Path) -> None:
    """The first key that is made closes the gateway, and revoking it does not open it again."""

    async def scene(stage: Scene) -> None:
        assert await stage.directory.admit(None) == LOCAL == Account("local", anonymous=True)
        assert await stage.directory.admit("whatever an SDK insists on") == LOCAL
        secret = await stage.made()
        await stage.directory.refresh()
        assert await stage.refused(None) == (Kind.UNAUTHENTICATED, "missing_api_key")
        assert await stage.refused("whatever") == (Kind.UNAUTHENTICATED, "invalid_api_key")
        assert (await stage.directory.admit(secret)).name == "alice"
        await stage.elsewhere.revoke("test", "alice")
        await stage.directory.refresh()
        assert await stage.refused(None) == (Kind.UNAUTHENTICATED, "missing_api_key")

    play(tmp_path, scene, open_to_all=True)


def test_terms_nobody_can_read_cost_one_key_alone(tmp_path: Path) -> None:
    """That key is 503, never let in with less than its restrictions and never 401; all others go on."""

    async def scene(stage: Scene) -> None:
        good = await stage.made("good")
        bad = mint(random.Random(6).randbytes)
        row = KeyRow(name="bad", created_at=1.0, terms=b'{"of":"a newer version"}')
        await stage.store.keys.add(row, SecretRow(digest(PEPPER, bad), "bad", 1.0), ENTRY)
        assert (await stage.directory.admit(good)).name == "good"
        assert await stage.refused(bad) == UNAVAILABLE
        assert any("bad" in words for words in stage.complaints)

    play(tmp_path, scene)


def test_a_change_made_here_holds_when_it_returns(tmp_path: Path) -> None:
    """Issuing in this process refreshes the book, and tells other nodes whose key was revoked."""
    told: list[str] = []

    async def scene(stage: Scene) -> None:
        async def tell(name: str) -> None:
            told.append(name)

        stage.directory.tell = tell
        issuing = stage.directory.issuing(random.Random(7).randbytes)
        _, secret = await issuing.create("test", Draft(name="alice"))
        assert "alice" in stage.directory.book.keys
        assert (await stage.directory.admit(secret)).name == "alice"
        await issuing.revoke("test", "alice")
        assert await stage.refused(secret) == (Kind.UNAUTHENTICATED, "revoked_api_key")
        assert told == ["", "alice"]

    play(tmp_path, scene)


def test_nothing_that_holds_a_key_shows_it(tmp_path: Path) -> None:
    """Neither the directory nor its book has a secret anywhere; digests are all they keep."""

    async def scene(stage: Scene) -> None:
        secret = await stage.made()
        await stage.directory.admit(secret)
        shown = repr(vars(stage.directory)) + repr(stage.directory.book) + str(MEMBERS)
        assert secret not in shown
        assert "sk-alice" not in shown
        assert msgspec.structs.asdict(stage.directory.book)["keys"]["alice"].name == "alice"

    play(tmp_path, scene, members=MEMBERS)
