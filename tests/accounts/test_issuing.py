"""Issuing: a secret is told once, every change is in the audit log, and nobody locks himself out unawares."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts.issuing import LONGEST_S, Draft, Held, Issuing
from dragoman.accounts.keys import KeySpec, digest, mint, well_formed
from dragoman.accounts.terms import LimitTerms, Terms
from dragoman.core.failure import Failure, Kind
from dragoman.store.audit import AuditRow
from dragoman.store.keys import KeyRow, SecretRow
from dragoman.store.sqlite import SqliteStore

PEPPER = b"p" * 32
MEMBERS = (KeySpec("env", "sk-from-the-environment", team="gone"),)


class Scene:
    """Issuing over a real store, with a clock of its own."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.wall = 1000.0
        self.heard: list[str] = []
        self.issuing = Issuing(
            store,
            PEPPER,
            MEMBERS,
            random=random.Random(1).randbytes,
            now=lambda: self.wall,
            heard=self.hear,
        )

    async def hear(self, name: str) -> None:
        """Hear of a change."""
        self.heard.append(name)

    async def log(self) -> list[AuditRow]:
        """Return the audit log, the oldest first."""
        return [row for _, row in reversed(await self.store.audit.rows())]


def play(folder: Path, scene: Callable[[Scene], Awaitable[None]]) -> None:
    """Run `scene` in `folder`."""

    async def run() -> None:
        store = SqliteStore.open(folder / "dragoman.db")
        try:
            await scene(Scene(store))
        finally:
            await store.close()

    asyncio.run(run())


async def fails(work: Awaitable[Any]) -> Failure:
    """Return how something is refused."""
    with pytest.raises(Failure) as caught:
        await work
    return caught.value


def test_a_secret_is_told_once(tmp_path: Path) -> None:
    """What is made is well formed and comes back once; rows, lists and the log have its last letters."""

    async def scene(stage: Scene) -> None:
        held, secret = await stage.issuing.create("boss", Draft(name="alice"))
        assert well_formed(secret)
        assert [one.hint for one in held.secrets] == [secret[-4:]]
        [kept] = await stage.store.keys.secrets()
        assert (kept.digest, kept.hint) == (digest(PEPPER, secret), secret[-4:])
        _, again = await stage.issuing.rotate("boss", "alice")
        shown = f"{await stage.issuing.keys()} {await stage.log()} {held}"
        for word in (secret, again, digest(PEPPER, secret), digest(PEPPER, again), "sk-from-the"):
            assert word not in shown

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("admin", Kind.CONFLICT),
        ("local", Kind.CONFLICT),
        ("env", Kind.CONFLICT),
        ("taken", Kind.CONFLICT),
        ("gone", Kind.CONFLICT),
        ("command line", Kind.INVALID),
        ("", Kind.INVALID),
        ("*", Kind.INVALID),
        ("a" * 65, Kind.INVALID),
        ("ä", Kind.INVALID),
        ("sk-from-the-environment", Kind.INVALID),
        (mint(bytes), Kind.INVALID),
    ],
)
def test_a_name_is_free_and_a_name(tmp_path: Path, name: str, kind: Kind) -> None:
    """Reserved, configured and used names are refused, also of keys that are gone; so is a secret."""

    async def scene(stage: Scene) -> None:
        for one in ("taken", "gone"):
            await stage.issuing.create("boss", Draft(name=one))
        await stage.issuing.revoke("boss", "gone")
        before = await stage.log()
        failure = await fails(stage.issuing.create("boss", Draft(name=name)))
        assert (failure.kind, failure.at) == (kind, "$.name")
        assert not name or len(name) == 1 or name not in failure.message
        assert await stage.log() == before

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("draft", "at"),
    [
        ({"expires_at": 999.0}, "$.expires"),
        ({"team": "nobody"}, "$.team"),
        ({"user": "nobody"}, "$.user"),
        ({"terms": Terms(models=("a*b",))}, "$.models[0]"),
        ({"terms": Terms(routes=("ok", " "))}, "$.routes[1]"),
        ({"terms": Terms(labels={"a b": "c"})}, "$.labels"),
        ({"terms": Terms(labels={"a": "x\n"})}, "$.labels.a"),
        ({"terms": Terms(description="x" * 1001)}, "$.description"),
        ({"terms": Terms(models=("a\nb",))}, "$.models[0]"),
        ({"terms": Terms(limits=LimitTerms(parallel=10**13))}, "$.limits.parallel"),
    ],
)
def test_a_key_that_cannot_be_meant_is_refused(tmp_path: Path, draft: dict[str, Any], at: str) -> None:
    """The place is told, and nothing is made or changed."""

    async def scene(stage: Scene) -> None:
        failure = await fails(stage.issuing.create("boss", Draft(name="alice", **draft)))
        assert (failure.kind, failure.at) == (Kind.INVALID, at)
        await stage.issuing.create("boss", Draft(name="alice"))
        failure = await fails(stage.issuing.change("boss", Draft(name="alice", **draft)))
        assert (failure.kind, failure.at) == (Kind.INVALID, at)
        assert [row.action for row in await stage.log()] == ["key.create"]

    play(tmp_path, scene)


def test_a_change_tells_what_was_and_is(tmp_path: Path) -> None:
    """Both stand in the log with who did it; an end that has passed may stay."""

    async def scene(stage: Scene) -> None:
        await stage.issuing.put_group("boss", "team", "t", Terms())
        await stage.issuing.create("boss", Draft(name="alice", expires_at=2000.0))
        stage.wall = 3000.0
        terms = Terms(models=("m",))
        held = await stage.issuing.change(
            "boss", Draft(name="alice", team="t", expires_at=2000.0, terms=terms)
        )
        assert (held.row.team, held.terms) == ("t", terms)
        entry = (await stage.log())[-1]
        assert (entry.at, entry.actor, entry.action, entry.subject) == (3000.0, "boss", "key.change", "alice")
        detail = msgspec.json.decode(entry.detail)
        assert (detail["was"]["team"], detail["is"]["team"]) == ("", "t")
        assert detail["is"]["terms"] == {"models": ["m"]}
        assert stage.heard == ["", "", ""]

    play(tmp_path, scene)


def test_a_revoked_key_stays_revoked(tmp_path: Path) -> None:
    """A second revocation changes and logs nothing; it can neither be changed nor rotated."""

    async def scene(stage: Scene) -> None:
        await stage.issuing.create("boss", Draft(name="alice"))
        assert (await stage.issuing.revoke("boss", "alice")).row.revoked_at == 1000.0
        stage.wall = 2000.0
        assert (await stage.issuing.revoke("boss", "alice")).row.revoked_at == 1000.0
        for work in (
            stage.issuing.change("boss", Draft(name="alice")),
            stage.issuing.rotate("boss", "alice"),
        ):
            assert (await fails(work)).kind is Kind.CONFLICT
        assert [row.action for row in await stage.log()] == ["key.create", "key.revoke"]
        assert stage.heard == ["", "alice"]

    play(tmp_path, scene)


def test_ones_own_key_wants_a_second_word(tmp_path: Path) -> None:
    """An admin who revokes, ends or demotes the key in use has to name it; other changes need nothing."""

    async def scene(stage: Scene) -> None:
        issuing = stage.issuing
        await issuing.create("admin", Draft(name="boss", role="admin"))
        for work in (
            issuing.revoke("boss", "boss"),
            issuing.change("boss", Draft(name="boss", role="reader")),
            issuing.change("boss", Draft(name="boss", role="admin", expires_at=5000.0)),
            issuing.revoke("boss", "boss", confirm="bos"),
        ):
            failure = await fails(work)
            assert (failure.kind, failure.at) == (Kind.INVALID, "$.confirm")
        await issuing.change("boss", Draft(name="boss", role="admin", terms=Terms(description="mine")))
        await issuing.change("boss", Draft(name="boss", role="admin", expires_at=5000.0), confirm="boss")
        assert (await issuing.revoke("boss", "boss", confirm="boss")).row.revoked_at is not None

    play(tmp_path, scene)


def test_the_configurations_keys_are_shown_and_not_changed(tmp_path: Path) -> None:
    """They are in the list with their origin; a change is refused and says where it is made."""

    async def scene(stage: Scene) -> None:
        [held] = await stage.issuing.keys()
        assert (held.row.name, held.origin, held.secrets, held.row.team) == ("env", "config", (), "gone")
        for work in (
            stage.issuing.change("boss", Draft(name="env")),
            stage.issuing.rotate("boss", "env"),
            stage.issuing.revoke("boss", "env"),
        ):
            failure = await fails(work)
            assert failure.kind is Kind.CONFLICT
            assert "configuration" in failure.message

    play(tmp_path, scene)


@pytest.mark.parametrize("overlap_s", [-1.0, LONGEST_S + 1, float("nan")])
def test_an_overlap_is_a_time(tmp_path: Path, overlap_s: float) -> None:
    """Anything but 0 to 366 days is refused."""

    async def scene(stage: Scene) -> None:
        await stage.issuing.create("boss", Draft(name="alice"))
        failure = await fails(stage.issuing.rotate("boss", "alice", overlap_s=overlap_s))
        assert (failure.kind, failure.at) == (Kind.INVALID, "$.overlap_s")

    play(tmp_path, scene)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    """404, and what was asked for is not repeated: it may have been a secret."""

    async def scene(stage: Scene) -> None:
        word = "perhaps-a-secret"
        for work in (
            stage.issuing.show(word),
            stage.issuing.change("boss", Draft(name=word)),
            stage.issuing.rotate("boss", word),
            stage.issuing.revoke("boss", word),
            stage.issuing.group("team", word),
            stage.issuing.remove_group("boss", "user", word),
        ):
            failure = await fails(work)
            assert failure.kind is Kind.NOT_FOUND
            assert word not in failure.message

    play(tmp_path, scene)


def test_groups_are_put_and_removed(tmp_path: Path) -> None:
    """Terms are replaced whole and logged; one in use stays, with a reason."""

    async def scene(stage: Scene) -> None:
        issuing = stage.issuing
        await issuing.put_group("boss", "team", "t", Terms(description="a"))
        await issuing.put_group("boss", "team", "t", Terms(models=("m",)))
        await issuing.put_group("boss", "user", "t", Terms())
        [team] = await issuing.groups("team")
        assert msgspec.json.decode(team.terms) == {"models": ["m"]}
        await issuing.create("boss", Draft(name="alice", team="t"))
        assert (await fails(issuing.remove_group("boss", "team", "t"))).kind is Kind.CONFLICT
        await issuing.revoke("boss", "alice")
        await issuing.remove_group("boss", "team", "t")
        assert await issuing.groups("team") == []
        failure = await fails(issuing.put_group("boss", "team", "a b", Terms()))
        assert (failure.kind, failure.at) == (Kind.INVALID, "name")
        log = await stage.log()
        assert [row.action for row in log][:3] == ["team.put", "team.put", "user.put"]
        assert msgspec.json.decode(log[1].detail) == {"was": {"description": "a"}, "is": {"models": ["m"]}}

    play(tmp_path, scene)


def test_a_key_nobody_can_read_hides_no_other(tmp_path: Path) -> None:
    """It is listed as unreadable beside the rest, can be revoked, and is neither changed nor rotated."""

    async def scene(stage: Scene) -> None:
        for name in ("alice", "bob"):
            await stage.issuing.create("boss", Draft(name=name))
        row = (await stage.issuing.show("alice")).row
        told = AuditRow(0.0, "boss", "key.change", "alice", b"{}")
        await stage.store.keys.change(msgspec.structs.replace(row, terms=b'{"parallel":'), told)
        status = {held.row.name: held.status(stage.wall) for held in await stage.issuing.keys()}
        assert status == {"alice": "unreadable", "bob": "active", "env": "active"}
        for work in (
            stage.issuing.change("boss", Draft(name="alice")),
            stage.issuing.rotate("boss", "alice"),
        ):
            assert (await fails(work)).kind is Kind.CONFLICT
        assert (await stage.issuing.revoke("boss", "alice")).status(stage.wall) == "revoked"

    play(tmp_path, scene)


def test_no_change_undoes_another(tmp_path: Path) -> None:
    """What somebody takes from a key while another one words his change stays taken; the log tells both."""

    async def scene(stage: Scene) -> None:
        issuing = stage.issuing
        await issuing.create("boss", Draft(name="alice", role="admin"))
        held = await issuing.show("alice")
        drafts = [
            Draft(name="alice", role="admin", terms=Terms(description="d")),
            Draft(name="alice", role="member", terms=Terms(description="d")),
        ]

        def drafted(found: Held) -> Draft:
            return drafts[found.row.role == "member"]

        late = asyncio.Event()
        change = stage.store.keys.change

        async def slow(row: KeyRow, audit: AuditRow, *, was: KeyRow | None = None) -> bool:
            if not late.is_set():
                late.set()
                demoted = msgspec.structs.replace(held.row, role="member")
                assert await change(demoted, audit, was=held.row)
            return await change(row, audit, was=was)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage.store.keys, "change", slow)
            found = await issuing.amend("boss", "alice", drafted)
        assert (found.row.role, found.terms.description) == ("member", "d")
        assert [row.action for row in await stage.log()] == ["key.create", "key.change", "key.change"]

    play(tmp_path, scene)


def test_one_key_is_shown_without_a_look_at_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a hundred thousand keys the store is asked for one; what there is of all has no secrets."""

    async def scene(scene: Scene) -> None:
        held, _ = await scene.issuing.create("x", Draft(name="alice"))
        await scene.issuing.create("x", Draft(name="bob"))
        kept, asked = scene.store.keys, []
        keys, secrets = kept.keys, kept.secrets

        async def noted_keys(name: str | None = None) -> list[KeyRow]:
            asked.append(name)
            return await keys(name)

        async def noted_secrets(key: str | None = None) -> list[SecretRow]:
            asked.append(key)
            return await secrets(key)

        monkeypatch.setattr(kept, "keys", noted_keys)
        monkeypatch.setattr(kept, "secrets", noted_secrets)
        assert await scene.issuing.show("alice") == held
        assert (await scene.issuing.show("env")).origin == "config"
        assert (await fails(scene.issuing.show("eve"))).kind is Kind.NOT_FOUND
        assert asked == ["alice", "alice", "env", "env", "eve", "eve"]
        every, known = await scene.issuing.keys(), await scene.issuing.known()
        assert known == [msgspec.structs.replace(one, secrets=()) for one in every]
        assert [one.row.name for one in known] == ["alice", "bob", "env"]

    play(tmp_path, scene)
