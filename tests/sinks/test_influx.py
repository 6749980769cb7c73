"""Points arrive in real databases once, whatever happens to the databases or to the gateway meanwhile."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.sinks.databases import InfluxDb, Victoria, found
from tests.sinks.listener import NEVER, listening, reply
from tests.sinks.records import ALERTED, AT, RATED, Complaints, Pace, record, run

from dragoman.core.failure import Failure, Kind
from dragoman.sinks import Sink, influx
from dragoman.sinks.influx import LONGEST_S, RETRY_S, Influx, InfluxSpec
from dragoman.sinks.posting import Answer
from dragoman.store import Meters

Form = dict[str, Any]
"""Settings that are tried."""

NOWHERE = "http://127.0.0.1:9"
EVIL = "a b,c=d\\ é\u2028\n\r\"'#\t{},status=1 x=1i 5\nllm_request,key=root chunks=9i"


class Scene:
    """A sink, what it complains of, and its pace."""

    def __init__(
        self, folder: Path, spec: InfluxSpec, *, owner: str = "one", gone: Iterable[str] = ()
    ) -> None:
        self.complaints = Complaints()
        self.pace = Pace()
        self.sink = Influx(
            spec,
            folder,
            owner=owner,
            dead=lambda names: [name for name in names if name in gone],
            now=lambda: AT,
            tick=lambda: 0.0,
            chance=lambda: 1.0,
            complain=self.complaints,
            known=lambda name: name == "configured",
            pause=self.pace,
        )

    def emit(self, first: int, last: int, **changes: Any) -> None:
        """Take exchanges of these numbers."""
        for number in range(first, last):
            self.sink.emit(record(number, **changes))

    async def until(self, **counts: int) -> None:
        """Run until the sink counts so many."""
        await run(self.sink, self.pace, lambda: counts.items() <= {**self.sink.counts()}.items())


def v1(database: InfluxDb, **changes: Any) -> InfluxSpec:
    """Return what writes to an InfluxDB 1.x."""
    return InfluxSpec(url=database.url, db="d", user=database.user, password=database.password, **changes)


def totals(database: InfluxDb) -> dict[str, Any]:
    """Return how many points an InfluxDB has, and their sums."""
    asked = "count(prompt_tokens) as points, sum(prompt_tokens) as tokens, sum(cost_usd) as cost"
    rows = database.query(f"select {asked} from llm_request", "d")
    return {name: value for row in rows for name, value in row.items() if name != "time"}


def test_every_point_is_in_the_database(tmp_path: Path, influxdb: InfluxDb) -> None:
    """As many as exchanges, with the sums booked; unknown costs are no zeros, other records no points."""

    async def play() -> None:
        scene = Scene(tmp_path, v1(influxdb))
        scene.emit(0, 3000)
        scene.emit(3000, 3100, meters=Meters(input=1))
        scene.sink.emit(RATED)
        scene.sink.emit(ALERTED)
        await scene.until(delivered=3100)
        await scene.sink.close()
        assert scene.sink.counts() == {"taken": 3100, "delivered": 3100, "dropped": 0, "waiting": 0}
        assert not scene.complaints

    asyncio.run(play())
    told = totals(influxdb)
    assert (told["points"], told["tokens"]) == (3100, 30_100)
    assert told["cost"] == pytest.approx(3000 * 0.00125)
    assert influxdb.query("select count(cost_usd) as n from llm_request", "d")[0]["n"] == 3000
    assert not list(tmp_path.glob("*.lines"))


def test_a_point_says_what_the_ledger_says(tmp_path: Path, influxdb: InfluxDb) -> None:
    """Tags and fields come back with their types, the time to the millisecond."""

    async def play() -> None:
        scene = Scene(tmp_path, v1(influxdb))
        scene.emit(0, 1)
        await scene.sink.close()

    asyncio.run(play())
    [told] = influxdb.query("select * from llm_request", "d")
    assert told.pop("time") // 1_000_000 == int(AT * 1000)
    assert told == {
        "cached": "false",
        "key": "alice",
        "model": "m",
        "provider": "p",
        "status": "200",
        "stream": "true",
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "cost_usd": 0.00125,
        "latency_ms": 1100.5,
        "ttft_ms": 100,
        "chunks": 5,
        "tokens_per_s": 19.99,
        "fallback": False,
    }


def test_no_name_breaks_a_line(tmp_path: Path, influxdb: InfluxDb) -> None:
    """Models and keys may be called anything: each is one point, of that name as far as it can be written."""
    names = [
        EVIL,
        "back\\",
        "back\\,slash",
        "two\\\\",
        ",",
        "=",
        " ",
        "\\",
        '"',
        "日本 語",
        "\ud800",
        "",
        "a" * 999,
    ]

    async def play() -> None:
        scene = Scene(tmp_path, v1(influxdb))
        for number, name in enumerate(names):
            scene.emit(number, number + 1, key=name, answered_model=name, chunks=1)
        await scene.sink.close()
        assert scene.sink.counts()["delivered"] == len(names)
        assert not scene.complaints

    asyncio.run(play())
    told = influxdb.query('select chunks, "key", model from llm_request', "d")
    assert [one["chunks"] for one in told] == [1] * len(names)
    assert [one["key"] for one in told] == [
        EVIL.replace("\\", "_")
        .replace("\n", "_")
        .replace("\r", "_")
        .replace("\t", "_")
        .replace("\u2028", "_"),
        *("back_", "back_,slash", "two__", ",", "=", " ", "_", '"', "日本 語", "?", "none", "a" * 200),
    ]
    assert [one["model"] for one in told][:-2] == [one["key"] for one in told][:-2]


def test_exchanges_of_one_instant_are_so_many_points(tmp_path: Path, influxdb: InfluxDb) -> None:
    """Points of one series and one time would be one point; a thousand that began at once are a thousand."""

    async def play() -> None:
        scene = Scene(tmp_path, v1(influxdb))
        scene.emit(0, 1000, opened_at=AT)
        await scene.until(delivered=1000)
        await scene.sink.close()

    asyncio.run(play())
    assert totals(influxdb)["points"] == 1000


def test_a_database_that_was_away_misses_nothing(tmp_path: Path, influxdb: InfluxDb) -> None:
    """What happens while it is stopped is on disk, and in it once, after it has come back."""

    async def play() -> None:
        scene = Scene(tmp_path, v1(influxdb))
        scene.emit(0, 100)
        await scene.until(delivered=100)
        await asyncio.to_thread(influxdb.stop)
        scene.emit(100, 600)
        await run(scene.sink, scene.pace, lambda: scene.sink._spool.waiting == 500 and scene.sink._tries > 3)
        assert len(scene.complaints) == 1
        assert "wait on disk" in scene.complaints[0]
        await asyncio.to_thread(influxdb.start)
        await scene.until(delivered=600, waiting=0)
        await scene.sink.close()
        assert max(scene.pace.waits) <= max(LONGEST_S, RETRY_S)

    asyncio.run(play())
    assert (totals(influxdb)["points"], totals(influxdb)["tokens"]) == (600, 6000)


def test_what_a_stopped_gateway_left_is_sent_by_the_next(tmp_path: Path, influxdb: InfluxDb) -> None:
    """A sink that ends while the database is away leaves its points to the one that begins after it."""

    async def play() -> None:
        influxdb.stop()
        one = Scene(tmp_path, v1(influxdb))
        one.emit(0, 300)
        await one.sink.close()
        assert one.sink.counts() == {"taken": 300, "delivered": 0, "dropped": 0, "waiting": 300}
        await asyncio.to_thread(influxdb.start)
        two = Scene(tmp_path, v1(influxdb), owner="two", gone=["one"])
        two.emit(300, 310)
        await two.until(delivered=310, waiting=0)
        await two.sink.close()

    asyncio.run(play())
    assert totals(influxdb)["points"] == 310


def test_a_killed_gateway_loses_no_point_that_was_spooled(tmp_path: Path, influxdb: InfluxDb) -> None:
    """After kill -9 the next process sends what the dead one had on disk."""
    influxdb.stop()
    program = (
        "import asyncio, sys; from pathlib import Path; from tests.sinks.test_influx import Scene\n"
        "from dragoman.sinks.influx import InfluxSpec\n"
        "async def play():\n"
        "    scene = Scene(Path(sys.argv[1]), InfluxSpec(url='http://127.0.0.1:9', db='d'), owner='dead')\n"
        "    scene.emit(0, 700)\n"
        "    while scene.sink._waiting: await scene.sink._spool_some()\n"
        "    print('spooled', flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(play())\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "spooled\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
    influxdb.start()

    async def play() -> None:
        scene = Scene(tmp_path, v1(influxdb), gone=["dead"])
        await scene.until(delivered=700, waiting=0)
        await scene.sink.close()

    asyncio.run(play())
    assert totals(influxdb)["points"] == 700


def test_a_point_sent_twice_is_one_point(tmp_path: Path, influxdb: InfluxDb) -> None:
    """Where the word that it arrived was lost, the same lines are sent again, and replace themselves."""

    async def play() -> None:
        scene = Scene(tmp_path, v1(influxdb))
        scene.emit(0, 50)
        await scene.sink._spool_some()
        taken = scene.sink._spool.oldest()
        assert taken is not None
        await scene.sink._send()
        assert (await scene.sink._post.send(taken[1])).status == 204
        await scene.sink.close()

    asyncio.run(play())
    assert (totals(influxdb)["points"], totals(influxdb)["tokens"]) == (50, 500)


def test_a_wrong_password_costs_no_point(tmp_path: Path, influxdb: InfluxDb) -> None:
    """It is the operator's to mend: the points wait, and the complaint does not repeat the password."""

    async def play() -> None:
        spec = InfluxSpec(url=influxdb.url, db="d", user=influxdb.user, password="wrong-canary")
        wrong = Scene(tmp_path, spec)
        wrong.emit(0, 5)
        await wrong.sink.close()
        assert wrong.sink.counts()["waiting"] == 5
        assert "401" in wrong.complaints[0]
        assert "wrong-canary" not in "".join(wrong.complaints) + repr(spec)
        right = Scene(tmp_path, v1(influxdb), owner="two", gone=["one"])
        await right.until(delivered=5)
        await right.sink.close()

    asyncio.run(play())
    assert totals(influxdb)["points"] == 5


def test_bad_data_is_put_aside_and_the_rest_goes_on(tmp_path: Path, influxdb: InfluxDb) -> None:
    """A field that has another type in the database is refused for ever: those points wait for a person."""

    async def play() -> None:
        scene = Scene(tmp_path, v1(influxdb))
        assert (
            await scene.sink._post.send(b'llm_request,key=odd chunks="many" %d' % int(AT * 1e9))
        ).status == 204
        scene.emit(0, 4)
        await scene.sink._spool_some()
        await scene.sink._send()
        assert scene.sink.counts() == {"taken": 4, "delivered": 0, "dropped": 4, "waiting": 0}
        assert "field type conflict" in scene.complaints[0]
        assert [path.read_bytes().count(b"\n") for path in (tmp_path / "rejected").iterdir()] == [4]
        await scene.sink.close()

    asyncio.run(play())


@pytest.mark.parametrize("form", [{"bucket": "b", "org": "o", "token": "t"}, {"bucket": "b"}, {"db": "b"}])
def test_victoria_takes_points_by_either_api(tmp_path: Path, victoria: Victoria, form: Form) -> None:
    """The same lines by the API of 2.x and of 1.x, evil names and all, also after it was away."""

    async def play() -> None:
        scene = Scene(tmp_path, InfluxSpec(url=victoria.url, **form))
        scene.emit(0, 400)
        scene.emit(400, 401, answered_model=EVIL)
        await scene.until(delivered=401)
        await asyncio.to_thread(victoria.stop)
        scene.emit(401, 500)
        await run(scene.sink, scene.pace, lambda: scene.sink._spool.waiting == 99 and scene.sink._tries > 1)
        await asyncio.to_thread(victoria.start)
        await scene.until(delivered=500, waiting=0)
        await scene.sink.close()

    asyncio.run(play())
    samples = victoria.samples("llm_request_prompt_tokens")
    assert (len(samples), sum(value for _, value in samples)) == (500, 5000)
    assert sum(value for _, value in victoria.samples("llm_request_cost_usd")) == pytest.approx(0.625)
    assert len([labels for labels, _ in samples if "root" in labels["model"]]) == 1
    assert {labels["key"] for labels, _ in samples} == {"alice"}


@pytest.mark.parametrize(
    "answer", [reply(500), reply(503), reply(429), reply(404), reply(302), b"nonsense\r\n\r\n"]
)
def test_a_server_in_trouble_costs_no_point(tmp_path: Path, answer: bytes) -> None:
    """It is asked again, with the same lines in the same order, until it takes them."""

    async def play() -> None:
        async with listening(answer, answer, reply(204)) as listener:
            scene = Scene(tmp_path, InfluxSpec(url=listener.url, db="d"))
            scene.emit(0, 20)
            await scene.until(delivered=20)
            await scene.sink.close()
            assert len(listener.requests) == 3
            assert len({request.body for request in listener.requests}) == 1
            times = [int(line.split()[-1]) for line in listener.requests[0].body.splitlines()]
            assert times == sorted(times)

    asyncio.run(play())


def test_a_server_that_repeats_what_it_was_sent_tells_nobody_our_password(tmp_path: Path) -> None:
    """Neither as it was configured, nor as it was sent, nor the half of it where its words are cut."""
    spec = InfluxSpec(url=NOWHERE, db="d", user="me", password="canary-password")
    words = f"Basic bWU6Y2FuYXJ5LXBhc3N3b3Jk {'x' * 258}canary-password"
    scene = Scene(tmp_path, spec)
    said = str(scene.sink._words(Answer(500, words)))
    assert said == f"500: Basic *** {'x' * 258}***"


def test_a_server_that_says_when_is_asked_then(tmp_path: Path) -> None:
    """Retry-After is waited for, where it is longer than our own wait."""

    async def play() -> None:
        async with listening(reply(429, headers="retry-after: 77\r\n"), reply(204)) as listener:
            scene = Scene(tmp_path, InfluxSpec(url=listener.url, db="d"))
            scene.emit(0, 1)
            await scene.until(delivered=1)
            await scene.sink.close()
            assert 77 in scene.pace.waits

    asyncio.run(play())


def test_a_server_that_never_answers_holds_nobody(tmp_path: Path) -> None:
    """It is given up after a while; meanwhile points go to disk, and at the end they stay there."""

    async def play() -> None:
        async with listening(NEVER) as listener:
            scene = Scene(tmp_path, InfluxSpec(url=listener.url, db="d", timeout_s=0.05))
            scene.emit(0, 10)
            await run(scene.sink, scene.pace, lambda: len(listener.requests) > 1)
            scene.emit(10, 20)
            await scene.sink.close()
            assert scene.sink.counts() == {"taken": 20, "delivered": 0, "dropped": 0, "waiting": 20}
            assert "no answer within 0.05 s" in scene.complaints[0]

    asyncio.run(play())


def test_the_two_apis_are_spoken_as_they_are(tmp_path: Path) -> None:
    """Address, parameters and credentials of each, behind whatever path the server has."""

    async def play() -> None:
        async with listening() as listener:
            forms: list[Form] = [
                {"token": "t", "org": "my org", "bucket": "b&c"},
                {"db": "d", "user": "u", "password": "p:q"},
                {"db": "d"},
            ]
            for number, given in enumerate(forms):
                scene = Scene(tmp_path / str(number), InfluxSpec(url=f"{listener.url}/base/", **given))
                scene.emit(0, 1)
                await scene.sink.close()
            second, first, open_ = listener.requests
            assert second.line == "POST /base/api/v2/write?org=my+org&bucket=b%26c&precision=ns HTTP/1.1"
            assert second.headers["authorization"] == "Token t"
            assert first.line == "POST /base/write?db=d&precision=ns HTTP/1.1"
            assert first.headers["authorization"] == "Basic dTpwOnE="
            assert "authorization" not in open_.headers

    asyncio.run(play())


def test_a_full_disk_costs_points_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing can be spooled points wait in memory up to a limit; the others are counted."""
    monkeypatch.setattr(influx, "MOST", 10)
    folder = tmp_path / "spool"
    folder.touch()

    async def play() -> None:
        async with listening() as listener:
            scene = Scene(folder, InfluxSpec(url=listener.url, db="d"))
            scene.emit(0, 15)
            await run(scene.sink, scene.pace, lambda: scene.pace.waits.count(RETRY_S) > 1)
            assert scene.sink.counts() == {"taken": 15, "delivered": 0, "dropped": 5, "waiting": 10}
            assert sorted(complaint.split(":")[0] for complaint in scene.complaints) == [
                "points for InfluxDB cannot be read from disk",
                "points for InfluxDB cannot be written to disk",
            ]
            folder.unlink()
            await scene.until(delivered=10, waiting=0)
            await scene.sink.close()

    asyncio.run(play())


def test_a_bug_in_one_point_is_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its batch is lost and counted, the next arrives."""

    async def play() -> None:
        async with listening() as listener:
            scene = Scene(tmp_path, InfluxSpec(url=listener.url, db="d"))
            scene.emit(0, 1, opened_at=float("nan"))
            assert await scene.sink._spool_some()
            scene.emit(1, 2)
            await scene.sink.close()
            assert scene.sink.counts() == {"taken": 2, "delivered": 1, "dropped": 1, "waiting": 0}
            assert "bug" in scene.complaints[0]

    asyncio.run(play())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"url": ""}, "influx.url"),
        ({"url": "127.0.0.1:8086", "db": "d"}, "influx.url"),
        ({"url": "ftp://h", "db": "d"}, "influx.url"),
        ({"url": "http://u:canary@h", "db": "d"}, "influx.url"),
        ({"url": "http://h?db=d", "db": "d"}, "influx.url"),
        ({"url": "http://h"}, "influx.bucket"),
        ({"url": "http://h", "token": "canary"}, "influx.bucket"),
    ],
)
def test_what_cannot_work_is_refused_at_once(tmp_path: Path, given: Form, named: str) -> None:
    """With the name of the setting, and without what it holds."""
    with pytest.raises(Failure) as caught:
        Scene(tmp_path, InfluxSpec(**given))
    assert caught.value.kind is Kind.INVALID
    assert named in caught.value.message
    assert "canary" not in caught.value.message


def test_a_sink_that_takes_nothing_makes_nothing(tmp_path: Path) -> None:
    """It is a sink, and one that is never told anything leaves no point."""
    sink: Sink = Scene(tmp_path, InfluxSpec(url=NOWHERE, db="d")).sink
    asyncio.run(sink.close())
    assert not list(tmp_path.glob("*.lines"))


def test_a_missing_database_program_is_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the program its tests are skipped, and say what to install; where CI is true they fail."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Debian's package influxdb"):
        found("no-such-program", "influxdb")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Debian's package influxdb"):
        found("no-such-program", "influxdb")
