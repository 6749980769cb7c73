"""Kept answers over the wire: what a client may fetch, continue, list, cancel and delete, and nobody else."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.house import Answer, House, ask, get, house, post, spawned

from dragoman.exchange.stored import DIED
from dragoman.exchange.turn import STOPPED
from dragoman.simulator import Simulator
from dragoman.simulator.script import read

PATH = "/v1/responses"
KEYS = {"API_KEYS": "anna-secret,bert-secret"}
ANNA, BERT = {"x-api-key": "anna-secret"}, {"x-api-key": "bert-secret"}
PLOT = {
    "default": {"text": "It is sunny."},
    "rules": [
        {"match": {"contains": "hang"}, "then": {"faults": [{"kind": "hang", "at_frame": 0}]}},
        {"match": {"contains": "break"}, "then": {"error": {"status": 503, "at_frame": 3}}},
        {"match": {"contains": "refuse"}, "then": {"error": {"status": 400, "message": "no such thing"}}},
    ],
}


def ours(words: Any = "What is the weather?", **more: Any) -> dict[str, Any]:
    """Return a Responses request's body."""
    return {"model": "sim-anthropic/m", "input": words, **more}


async def create(gate: House, words: Any = "What is the weather?", **more: Any) -> Any:
    """Have an answer made, and return it."""
    headers = more.pop("headers", {})
    got = await ask(gate.port, post(PATH, ours(words, **more), headers))
    assert got.status == 200, got.body
    return got.json


async def fetch(gate: House, path: str, headers: dict[str, str] | None = None) -> Answer:
    """Fetch a page below ``/v1/responses``."""
    return await ask(gate.port, get(f"{PATH}/{path}", headers))


async def remove(gate: House, id_: str, headers: dict[str, str] | None = None) -> Answer:
    """Delete an answer."""
    return await ask(gate.port, get(f"{PATH}/{id_}", headers).replace(b"GET", b"DELETE", 1))


async def until(gate: House, id_: str, *statuses: str) -> Any:
    """Fetch an answer until it has one of these statuses."""
    while (found := (await fetch(gate, id_)).json)["status"] not in statuses:
        await asyncio.sleep(0.005)
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_can_be_fetched_as_it_was_told_and_deleted(tmp_path: Path, *, stream: bool) -> None:
    """The follow-up comes at once; what is deleted is gone for good."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post(PATH, ours(stream=stream)))
            told = json.loads(got.frames[-1])["response"] if stream else got.json
            shown = await fetch(gate, told["id"])
            assert (shown.status, shown.json) == (200, told)
            assert told["store"] is True
            again = await fetch(gate, f"{told['id']}?include%5B%5D=reasoning.encrypted_content&stream=false")
            assert again.json == told
            gone = await remove(gate, told["id"])
            assert gone.json == {"id": told["id"], "object": "response", "deleted": True}
            for status in ((await fetch(gate, told["id"])).status, (await remove(gate, told["id"])).status):
                assert status == 404

    asyncio.run(play())


def test_another_key_learns_nothing(tmp_path: Path) -> None:
    """Each page says of another key's answer what it says of one that never was."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url, **KEYS) as gate:
            mine = (await create(gate, "my secret words", headers=ANNA))["id"]
            bodies = []
            for id_ in (mine, "resp_0123456789abcdef01234567"):
                answers = [
                    await fetch(gate, id_, BERT),
                    await fetch(gate, f"{id_}?stream=true", BERT),
                    await fetch(gate, f"{id_}/input_items", BERT),
                    await ask(gate.port, post(f"{PATH}/{id_}/cancel", {}, BERT)),
                    await remove(gate, id_, BERT),
                    await ask(gate.port, post(PATH, ours(previous_response_id=id_), BERT)),
                ]
                assert [answer.status for answer in answers] == [404] * 5 + [400]
                bodies.append([answer.body.replace(id_.encode(), b"") for answer in answers])
            assert bodies[0] == bodies[1]
            error = json.loads(bodies[0][-1])["error"]
            assert (error["code"], error["param"]) == (
                "previous_response_not_found",
                "$.previous_response_id",
            )
            item = (await fetch(gate, f"{mine}/input_items", ANNA)).json["data"][0]["id"]
            stolen = ours([{"type": "item_reference", "id": item}])
            assert (await ask(gate.port, post(PATH, stolen, BERT))).status == 400
            assert (await fetch(gate, mine)).status == 401
            assert (await fetch(gate, mine, ANNA)).status == 200
            assert len(sim.journal) == 1

    asyncio.run(play())


def test_input_items_come_in_pages(tmp_path: Path) -> None:
    """The newest first unless asked otherwise; every page goes on where the last one ended."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url) as gate:
            first = await create(gate, "one")
            second = await create(gate, "two", previous_response_id=first["id"])
            pages = f"{second['id']}/input_items"
            whole = (await fetch(gate, f"{pages}?order=asc")).json
            assert [item["role"] for item in whole["data"]] == ["user", "assistant", "user"]
            assert whole["data"][1] == first["output"][0]
            assert (whole["object"], whole["has_more"]) == ("list", False)
            ids = [item["id"] for item in whole["data"]]
            assert (whole["first_id"], whole["last_id"]) == (ids[0], ids[2])
            page = (await fetch(gate, f"{pages}?limit=2")).json
            assert [item["id"] for item in page["data"]] == [ids[2], ids[1]]
            assert page["has_more"]
            rest = (await fetch(gate, f"{pages}?limit=2&after={ids[1]}")).json
            assert ([item["id"] for item in rest["data"]], rest["has_more"]) == ([ids[0]], False)
            empty = (await fetch(gate, f"{pages}?after={ids[0]}")).json
            assert (empty["data"], empty["first_id"]) == ([], None)
            for query in ("limit=0", "limit=101", "limit=x", f"limit={'9' * 5000}", "order=up", "after=none"):
                refused = await fetch(gate, f"{pages}?{query}")
                assert refused.status == 400
                assert refused.json["error"]["param"] == query.partition("=")[0]

    asyncio.run(play())


def test_items_can_be_referred_to(tmp_path: Path) -> None:
    """An item of an answer, and one of its input: the provider is told the words."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url) as gate:
            first = await create(gate, "a question")
            listed = (await fetch(gate, f"{first['id']}/input_items")).json["data"][0]
            await create(
                gate,
                [
                    {"type": "item_reference", "id": listed["id"]},
                    {"type": "item_reference", "id": first["output"][0]["id"]},
                    {"role": "user", "content": "and now?"},
                ],
            )
            heard = json.dumps(sim.journal[-1].body["messages"])
            assert heard.index("a question") < heard.index("It is sunny.") < heard.index("and now?")

    asyncio.run(play())


def test_a_replay_goes_on_where_the_client_left(tmp_path: Path) -> None:
    """Named events with the numbers they always have; an odd number is refused."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url) as gate:
            told = await create(gate)
            whole = await fetch(gate, f"{told['id']}?stream=true")
            assert whole.headers["content-type"].startswith("text/event-stream")
            assert whole.body.startswith(b"event: response.created\ndata: ")
            events = [json.loads(frame) for frame in whole.frames]
            assert events[-1]["response"] == told
            rest = await fetch(gate, f"{told['id']}?stream=true&starting_after=3")
            assert [json.loads(frame) for frame in rest.frames] == events[4:]
            for odd in ("-1", "x", "1.5", "9" * 400, "%D9%A3"):
                assert (await fetch(gate, f"{told['id']}?stream=true&starting_after={odd}")).status == 400

    asyncio.run(play())


def test_a_stream_that_broke_is_kept_as_it_broke(tmp_path: Path) -> None:
    """It can be fetched and replayed, and not continued."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url) as gate:
            got = await ask(gate.port, post(PATH, ours("break it", stream=True)))
            last = json.loads(got.frames[-1])
            assert last["type"] == "response.failed"
            id_ = last["response"]["id"]
            assert (await fetch(gate, id_)).json == last["response"]
            replayed = await fetch(gate, f"{id_}?stream=true")
            assert json.loads(replayed.frames[-1])["response"] == last["response"]
            refused = await ask(gate.port, post(PATH, ours(previous_response_id=id_)))
            assert (refused.status, refused.json["error"]["code"]) == (400, "previous_response_not_completed")

    asyncio.run(play())


def test_a_background_answer_completes_and_is_followed_as_a_stream(tmp_path: Path) -> None:
    """Queued, then complete; a stream of one under way waits for its end; only then is it continued."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url) as gate:
            queued = await create(gate, background=True)
            assert (queued["status"], queued["output"], queued["background"]) == ("queued", [], True)
            followed = await fetch(gate, f"{queued['id']}?stream=true")
            done = await until(gate, queued["id"], "completed")
            assert json.loads(followed.frames[-1])["response"] == done
            assert (done["id"], done["background"]) == (queued["id"], True)
            assert done["output"][0]["content"][0]["text"] == "It is sunny."
            after = await create(gate, "and then?", previous_response_id=done["id"])
            assert after["previous_response_id"] == done["id"]
            assert [row.state for row in await gate.rows(2)] == ["settled", "settled"]

    asyncio.run(play())


def test_a_background_answer_that_fails_says_why(tmp_path: Path) -> None:
    """The provider's refusal is the answer's error, and the ledger's."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url) as gate:
            failed = await until(gate, (await create(gate, "refuse", background=True))["id"], "failed")
            assert failed["error"]["code"] == "invalid_prompt"
            assert "no such thing" in failed["error"]["message"]
            [row] = await gate.rows(1)
            assert (row.state, row.failure) == ("failed", "invalid")

    asyncio.run(play())


@pytest.mark.parametrize("elsewhere", [False, True])
def test_cancelling_ends_the_upstream(tmp_path: Path, *, elsewhere: bool) -> None:
    """By the process that makes the answer or by another one over the same folder; twice is once."""

    async def play() -> None:
        async with (
            Simulator(script=read(PLOT)) as sim,
            house(tmp_path, sim.url) as gate,
            house(tmp_path, sim.url) as other,
        ):
            id_ = (await create(gate, "hang", background=True))["id"]
            await sim.journal.until(lambda journal: journal.open == 1)
            assert (await fetch(other, id_)).json["status"] == "in_progress"
            asked = other if elsewhere else gate
            for _ in range(2):
                got = await ask(asked.port, post(f"{PATH}/{id_}/cancel", {}))
                assert (got.status, got.json["status"], got.json["id"]) == (200, "cancelled", id_)
            await sim.journal.until(lambda journal: journal.open == 0)
            assert sim.journal[-1].outcome in ("cancelled", "hung")
            [row] = await gate.rows(1)
            assert (row.state, row.status) == ("cancelled", 499)
            assert (await fetch(gate, id_)).json["status"] == "cancelled"

    asyncio.run(play())


def test_only_what_runs_in_the_background_is_cancelled(tmp_path: Path) -> None:
    """A synchronous answer is refused in OpenAI's words; deleting one under way ends it too."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url) as gate:
            id_ = (await create(gate))["id"]
            refused = await ask(gate.port, post(f"{PATH}/{id_}/cancel", {}))
            assert refused.status == 400
            assert refused.json["error"]["message"] == "Cannot cancel a synchronous response."
            id_ = (await create(gate, "hang", background=True))["id"]
            await sim.journal.until(lambda journal: journal.open == 1)
            assert (await remove(gate, id_)).status == 200
            await sim.journal.until(lambda journal: journal.open == 0)
            assert [row.state for row in await gate.rows(2)] == ["settled", "cancelled"]

    asyncio.run(play())


def test_following_an_answer_that_is_deleted_ends_in_an_error(tmp_path: Path) -> None:
    """A stream that has begun says in its own words that there is nothing any more."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url) as gate:
            id_ = (await create(gate, "hang", background=True))["id"]
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            writer.write(get(f"{PATH}/{id_}?stream=true", {"connection": "close"}))
            assert b": ka" in await reader.readuntil(b": ka\n\n")
            assert (await remove(gate, id_)).status == 200
            rest = (await reader.read()).decode()
            assert "event: error" in rest
            assert f"Response with id '{id_}' not found." in rest
            writer.close()

    asyncio.run(play())


def test_the_client_of_a_background_answer_may_leave(tmp_path: Path) -> None:
    """Its connection has nothing to do with its answer."""

    async def play() -> None:
        plot = {"default": {"text": "late", "latency_s": 0.1}}
        async with Simulator(script=read(plot)) as sim, house(tmp_path, sim.url) as gate:
            id_ = (await create(gate, background=True))["id"]  # and the connection is closed
            done = await until(gate, id_, "completed", "failed", "cancelled")
            assert done["status"] == "completed"

    asyncio.run(play())


def test_a_restart_keeps_what_was_kept_and_fails_what_ran(tmp_path: Path) -> None:
    """A stop ends answers under way and says so; the rest is there as before."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim:
            async with house(tmp_path, sim.url) as gate:
                kept = await create(gate, "remember me")
                running = await create(gate, "hang", background=True)
                await sim.journal.until(lambda journal: journal.open == 1)
            async with house(tmp_path, sim.url) as gate:
                assert (await fetch(gate, kept["id"])).json == kept
                ended = (await fetch(gate, running["id"])).json
                assert (ended["status"], ended["error"]["message"]) == ("failed", STOPPED)
                assert [row.state for row in await gate.rows(2)] == ["settled", "cancelled"]
                await create(gate, "and now?", previous_response_id=kept["id"])
                assert "remember me" in json.dumps(sim.journal[-1].body)

    asyncio.run(play())


def test_kill_9_keeps_what_was_kept_and_fails_what_ran(tmp_path: Path) -> None:
    """What the client was told survives; whoever asks for what was under way is told that it died."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim:
            with spawned(tmp_path, DRAGOMAN_SIMULATOR_URL=sim.url) as child:
                kept = (await ask(child.port, post(PATH, ours()))).json
                running = (await ask(child.port, post(PATH, ours("hang", background=True)))).json
                await sim.journal.until(lambda journal: journal.open == 1)
                child.child.send_signal(signal.SIGKILL)
                child.child.wait()
            async with house(tmp_path, sim.url) as gate:
                assert (await fetch(gate, kept["id"])).json == kept
                ended = (await fetch(gate, running["id"])).json
                assert (ended["status"], ended["error"]["message"]) == ("failed", DIED)

    asyncio.run(play())


def test_store_false_keeps_nothing(tmp_path: Path) -> None:
    """Not in any file of the data folder; what is kept is found there until it is deleted."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim:
            async with house(tmp_path, sim.url) as gate:
                kept = await create(gate, "kept-words")
                gone = await create(gate, "deleted-words")
                once = await create(gate, "secret-words", store=False)
                assert once["store"] is False
                assert (await fetch(gate, once["id"])).status == 404
                more = await create(gate, "secret-too", store=False, previous_response_id=kept["id"])
                assert more["previous_response_id"] == kept["id"]
                refused = await ask(gate.port, post(PATH, ours(previous_response_id=once["id"])))
                assert refused.status == 400
                await remove(gate, gone["id"])
            found = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir() if file.is_file())
            assert b"kept-words" in found
            assert b"secret-words" not in found
            assert b"secret-too" not in found
            assert b"deleted-words" not in found

    asyncio.run(play())


def test_past_its_time_an_answer_is_gone(tmp_path: Path) -> None:
    """Nobody finds it, and a sweep takes it out of the file."""

    async def play() -> None:
        settings = {"DRAGOMAN_RESPONSES_RETENTION_S": "60"}
        async with Simulator(script=read(PLOT)) as sim:
            async with house(tmp_path, sim.url, **settings) as gate:
                id_ = (await create(gate, "expiring-words"))["id"]
                stored, now = gate.gateway.services.stored, gate.gateway.services.now()
                stored.now = lambda: now + 30
                assert (await fetch(gate, id_)).status == 200
                stored.now = lambda: now + 120
                assert (await fetch(gate, id_)).status == 404
                refused = await ask(gate.port, post(PATH, ours(previous_response_id=id_)))
                assert refused.status == 400
                assert await stored.sweep() == 1
            assert b"expiring-words" not in (tmp_path / "data" / "dragoman.db").read_bytes()

    asyncio.run(play())


def test_a_start_sweeps_what_is_past_its_time(tmp_path: Path) -> None:
    """Nobody need ask for it."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim:
            async with house(tmp_path, sim.url) as gate:
                gate.gateway.services.stored.now = lambda: 1000.0
                id_ = (await create(gate))["id"]
                assert (await fetch(gate, id_)).status == 200
            async with house(tmp_path, sim.url) as gate:
                while await gate.gateway.store.responses.find("local", id_, now=1000.0) is not None:
                    await asyncio.sleep(0.005)

    asyncio.run(play())


def test_switched_off_nothing_is_kept_and_ids_are_the_providers(tmp_path: Path) -> None:
    """As before there was a store: told to a provider of this dialect, refused to any other."""

    async def play() -> None:
        off = {"DRAGOMAN_RESPONSES_RETENTION_S": "0"}
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url, **off) as gate:
            told = await create(gate)
            assert (await fetch(gate, told["id"])).status == 404
            for more in ({"previous_response_id": "resp_1"}, {"background": True}):
                assert (await ask(gate.port, post(PATH, ours(**more)))).status == 400
                home = ours(model="sim-openai_responses/m", **more)
                assert (await ask(gate.port, post(PATH, home))).status == 200
                assert more.items() <= sim.journal[-1].body.items()

    asyncio.run(play())


@pytest.mark.parametrize(
    "id_", ["x" * 5000, "%00", "..%2f..%2fetc", "%ff%fe", "a'b", "%F0%9F%90%89", "resp_"]
)
def test_odd_ids_are_nobodys(tmp_path: Path, id_: str) -> None:
    """A 404 in OpenAI's shape, whatever the path holds."""

    async def play() -> None:
        async with house(tmp_path, "http://127.0.0.1:9") as gate:
            for got in (
                await fetch(gate, id_),
                await remove(gate, id_),
                await fetch(gate, f"{id_}/input_items"),
                await ask(gate.port, post(f"{PATH}/{id_}/cancel", {})),
            ):
                assert got.status == 404
                assert got.json["error"]["type"] == "invalid_request_error"

    asyncio.run(play())


def test_two_continue_one_answer_at_once(tmp_path: Path) -> None:
    """Each has its own branch: neither hears the other's words."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url) as gate:
            root = (await create(gate, "the root"))["id"]
            left, right = await asyncio.gather(
                create(gate, "to the left", previous_response_id=root),
                create(gate, "to the right", previous_response_id=root),
            )
            await create(gate, "go on", previous_response_id=left["id"])
            heard = json.dumps(sim.journal[-1].body)
            assert "the root" in heard
            assert "to the left" in heard
            assert "to the right" not in heard
            assert left["id"] != right["id"]

    asyncio.run(play())


def test_a_long_chain_works(tmp_path: Path) -> None:
    """Every turn hears all that came before, also if the first ones are deleted meanwhile."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url) as gate:
            ids: list[str] = []
            for number in range(30):
                more = {"previous_response_id": ids[-1]} if ids else {}
                ids.append((await create(gate, f"turn {number}.", **more))["id"])
            for id_ in ids[:-1]:
                assert (await remove(gate, id_)).status == 200
            await create(gate, "the end", previous_response_id=ids[-1])
            heard = json.dumps(sim.journal[-1].body)
            places = [heard.index(f"turn {number}.") for number in range(30)]
            assert places == sorted(places)
            assert (await ask(gate.port, post(PATH, ours(previous_response_id=ids[3])))).status == 400

    asyncio.run(play())


def test_tokens_are_counted_with_the_history(tmp_path: Path) -> None:
    """A count of a follow-up is the count of what the provider would read."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url) as gate:
            first = await create(gate, "a long story " * 100)
            bodies = (ours("more"), ours("more", previous_response_id=first["id"]))
            alone, both = [await ask(gate.port, post(f"{PATH}/input_tokens", body)) for body in bodies]
            assert both.json["input_tokens"] > alone.json["input_tokens"] + 100

    asyncio.run(play())


def test_items_that_a_provider_gave_no_id_are_listed_and_passed_over(tmp_path: Path) -> None:
    """They are told as they are; a page goes on after any item that has an id."""

    async def play() -> None:
        nameless = [{"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}]
        reply = {"id": "x", "object": "response", "status": "completed", "model": "m", "output": nameless}
        plot = {"default": {"reply": {"body": reply, "headers": {"content-type": "application/json"}}}}
        async with Simulator(script=read(plot)) as sim, house(tmp_path, sim.url) as gate:
            first = await create(gate, model="sim-openai_responses/m")
            result = [{"type": "function_call_output", "call_id": "c", "output": "done"}]
            again = await create(
                gate, result, model="sim-openai_responses/m", previous_response_id=first["id"]
            )
            pages = f"{again['id']}/input_items?order=asc"
            whole = (await fetch(gate, pages)).json
            assert whole["data"][1] == nameless[0]
            page = (await fetch(gate, f"{pages}&limit=2")).json
            assert (page["last_id"], page["has_more"]) == ("", True)
            rest = await fetch(gate, f"{pages}&after={whole['first_id']}")
            assert (rest.status, len(rest.json["data"])) == (200, 2)

    asyncio.run(play())


def test_two_keys_at_once_are_nobodys(tmp_path: Path) -> None:
    """As on every other path: which of them was meant is not guessed."""

    async def play() -> None:
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url, **KEYS) as gate:
            mine = (await create(gate, headers=ANNA))["id"]
            both = get(f"{PATH}/{mine}", BERT).replace(b"\r\n\r\n", b"\r\nx-api-key: anna-secret\r\n\r\n")
            got = await ask(gate.port, both)
            assert (got.status, got.json["error"]["code"]) == (400, "conflicting_api_keys")

    asyncio.run(play())


def test_one_answer_too_many_in_the_background_is_too_many_requests(tmp_path: Path) -> None:
    """A 429 in OpenAI's words that says when to come back; what runs goes on, and others are served."""

    async def play() -> None:
        limit = {"DRAGOMAN_RESPONSES_MAX_BACKGROUND_PER_KEY": "1"}
        async with Simulator(script=read(PLOT)) as sim, house(tmp_path, sim.url, **KEYS, **limit) as gate:
            first = await create(gate, "hang", background=True, headers=ANNA)
            refused = await ask(gate.port, post(PATH, ours("hang", background=True), ANNA))
            assert refused.status == 429
            assert refused.json["error"]["code"] == "too_many_background_responses"
            assert refused.json["error"]["type"] == "rate_limit_error"
            assert int(refused.headers["retry-after"]) >= 1
            assert (await create(gate, headers=ANNA))["status"] == "completed"
            assert (await create(gate, "hang", background=True, headers=BERT))["status"] == "queued"
            await ask(gate.port, post(f"{PATH}/{first['id']}/cancel", {}, ANNA))
            while (await ask(gate.port, post(PATH, ours(background=True), ANNA))).status == 429:
                await asyncio.sleep(0.005)

    asyncio.run(play())
