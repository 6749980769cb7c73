"""Nonsense for every reader of the wire: what it is made of, what must hold, and a way to run it for long.

    FUZZ_S=600 python tests/dialects/fuzz.py       (make fuzz; FUZZ_ONLY=gemini narrows it)

Three kinds of nonsense. *Any* JSON at all; a sample of the corpus *mutated*, which gets deeper, since most
of it still makes sense; and *bytes* that are hardly frames. All of it passes the border its kind passes in
the gateway: a client's body is parsed strictly, a provider's is decoded.

What must hold: a reader raises Failure or nothing. A client's fault is the client's, with a 4xx. What was
accepted can be written, at home and everywhere else, by raising Failure or nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.dialects.corpus import KINDS, OWN, Sample, own

from dragoman.core.events import Event, Response, Start, fold, unfold
from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Source
from dragoman.core.request import Message, Request, Text
from dragoman.core.tasks import Embed, Rerank
from dragoman.dialects import Call, Dialect, Reply, framing_of
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.fields import decode, parse
from dragoman.dialects.framing import NDJSON, SSE, Frame, JsonArray

Draw = Callable[[st.SearchStrategy[Any]], Any]

NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**64, -(2**63) - 1, 10**40, 0.5, -0.0, 1e308, 5e-324, 3.0)
WORDS = (
    "", " ", "\0", "\u2028", "é😀", "\ud800", "x" * 5_000, "data:", "data:image/png;base64,", "data:,x", "{",
    "[]", '{"a":1}', '{"a":' * 200, "null", "true", "-1", "1e999", "user", "system", "tool", "auto", "$", "https://",
)  # fmt: skip
SCALARS = st.sampled_from((None, True, False, *NUMBERS, *WORDS)) | st.integers() | st.text(max_size=6)
ANY = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def deep(depth: int) -> Json:
    """Return arrays and objects in each other, `depth` levels."""
    value: Json = "x"
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return value


NASTY: st.SearchStrategy[Json] = (
    SCALARS | ANY | st.sampled_from((40, 130, 200)).map(deep) | st.just([[]] * 300)
)


# --- MUTATION -----------------------------------------------------------------------------------------


def nodes(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each value inside `value`, itself first."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from nodes(inner, (*path, key))


def at(value: Json, path: tuple[str | int, ...]) -> Json:
    """Return what stands at `path`."""
    for key in path:
        value = value[key]
    return value


class Vocabulary:
    """The words and values a dialect's corpus uses, by field: what is plausible in the wrong place."""

    def __init__(self, bodies: list[Json]) -> None:
        words: dict[str, list[Json]] = {}
        for body in bodies:
            for path in nodes(body):
                if path and isinstance(path[-1], str):
                    value = at(body, path)
                    known = words.setdefault(path[-1], [])
                    if value not in known and len(known) < 40:
                        known.append(value)
        self.words: Mapping[str, list[Json]] = MappingProxyType(words)
        self.names = sorted(words) or ["x"]


def mutate(draw: Draw, body: Json, words: Vocabulary) -> Json:
    """Return a copy of `body` with one to four things wrong."""
    body = deepcopy(body)
    for _ in range(draw(st.integers(1, 4))):
        paths = list(nodes(body))
        path = paths[draw(st.integers(0, len(paths) - 1))]
        if not path:
            if draw(st.integers(0, 9)) == 0:
                return deepcopy(draw(NASTY))
            continue
        _wrong(draw, at(body, path[:-1]), path[-1], words)
    return body


def _wrong(draw: Draw, holder: Any, key: Any, words: Vocabulary) -> None:
    """Do one wrong thing to what stands at `key` of an object or array."""
    name = key if isinstance(holder, dict) else ""
    match draw(st.integers(0, 6)):
        case 0:
            holder[key] = deepcopy(draw(NASTY))
        case 1:
            del holder[key]
        case 2 if isinstance(holder, list):
            holder.insert(key, deepcopy(draw(NASTY) if draw(st.booleans()) else holder[key]))
        case 3 if isinstance(holder, dict):
            holder[draw(st.sampled_from(words.names))] = holder.pop(key)
        case 4 if name in words.words:
            holder[key] = deepcopy(draw(st.sampled_from(words.words[name])))
        case 5:
            other = draw(st.sampled_from(words.names))
            holder[key] = deepcopy(draw(st.sampled_from(words.words.get(other, ["x"]))))
        case _:
            holder[key] = _retyped(holder[key])


def _retyped(value: Json) -> Json:
    """Return `value` as another type."""
    match value:
        case str():
            return [value]
        case bool() | None:
            return str(value)
        case int() | float():
            return str(value)
        case list():
            return value[0] if value else {}
        case _:
            return [value]


def wire(value: Json) -> bytes:
    """Return `value` as JSON bytes; a lone surrogate is escaped, as a client would send it."""
    return json.dumps(value).encode()


DEEP = (b"[" * 20_000, b'{"a":' * 20_000, b'[{"type":' * 20_000, b"[" * 500 + b"]" * 500)
"""What no reader may follow to its bottom."""
DATA = st.one_of(*[ANY.map(wire)] * 9, st.sampled_from(DEEP))


# --- WHAT MUST HOLD -----------------------------------------------------------------------------------


def asking(codec: Dialect) -> Request:
    """Return a client's request for all there is to tell."""
    return Request(codec.name, "m", (Message("user", (Text("Hi"),)),), stream=True, stream_usage=True)


def blame(failure: Failure) -> None:
    """Hold that a fault in a request is its client's."""
    assert failure.source is Source.CLIENT, repr(failure)
    assert 400 <= failure.http_status < 500, repr(failure)


def check_request(codec: Dialect, call: Call) -> None:
    """Read a client's request; write what was accepted for everybody."""
    try:
        request = codec.read_request(call)
    except Failure as failure:
        blame(failure)
        return
    for other in DIALECTS.values():
        survive(partial(_asked_of, other, request))
        survive(partial(other.write_count, request))
    survive(lambda: codec.writer(request))


def check_client_bytes(codec: Dialect, data: bytes, like: Call) -> None:
    """Pass a client's bytes through its border."""
    try:
        body = parse(data)
    except Failure as failure:
        blame(failure)
        return
    check_request(codec, msgspec.structs.replace(like, body=body))


def received(data: bytes) -> Json:
    """Return a provider's bytes as the gateway reads them: JSON, or the beginning of a text."""
    try:
        return decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return data[:500].decode("utf-8", "replace")


def check_answer(codec: Dialect, data: bytes) -> None:
    """Read a provider's answer, a failure and a count; write what was read for everybody."""
    body = received(data)
    survive(lambda: codec.read_count(Reply(200, {}, body)))
    if isinstance(body, str):
        return
    answer = survive(lambda: codec.read_answer(Reply(200, {}, body)))
    if isinstance(answer, Response):
        assert fold(unfold(answer)) == answer
        write_everywhere(unfold(answer), answer)


def check_failure(codec: Dialect, status: int, headers: Mapping[str, str], data: bytes) -> None:
    """Read a provider's failure; tell it to everybody."""
    failure = codec.read_failure(Reply(status, headers, received(data)))
    assert isinstance(failure, Failure)
    for other in DIALECTS.values():
        assert other.write_failure(failure).status >= 400
        msgspec.json.encode(other.write_failure(failure).body)


def check_frames(codec: Dialect, frames: list[Frame]) -> None:
    """Read a provider's stream; write what was read for everybody."""
    reader, events = codec.reader(), list[Event]()
    failed = None
    try:
        for frame in frames:
            events += reader.feed(frame)
        events += reader.close()
    except Failure as failure:
        failed = failure
    if events and isinstance(events[0], Start):
        write_everywhere(events, fold(events), failed)


def check_bytes(codec: Dialect, data: bytes, cut: int) -> None:
    """Read bytes as a stream, in two pieces."""
    for framing in (codec.framing, SSE, NDJSON, JsonArray()):
        decoder, frames = framing.decoder(), list[Frame]()
        try:
            frames += decoder.feed(data[:cut])
            frames += decoder.feed(data[cut:])
            frames += decoder.close()
        except Failure:
            pass
        check_frames(codec, frames)


def write_everywhere(events: list[Event], answer: Response, failed: Failure | None = None) -> None:
    """Write an answer in every dialect, whole and streamed."""
    for other in DIALECTS.values():
        reply = survive(partial(other.write_answer, answer, asking(other)))
        if isinstance(reply, Reply):
            msgspec.json.encode(reply.body)
        writer = other.writer(asking(other))
        framing = framing_of(other, writer)

        def stream(writer: Any = writer, framing: Any = framing) -> None:
            for event in events:
                for frame in writer.feed(event):
                    framing.encode(frame)

        survive(stream)
        if failed is not None:
            for frame in writer.fail(failed):
                framing.encode(frame)


def _asked_of(codec: Any, request: Any) -> bytes:
    return msgspec.json.encode(codec.write_request(request).body)


def _told_of(codec: Any, answer: Any, request: Any) -> bytes:
    return msgspec.json.encode(codec.write_answer(answer, request).body)


def survive(act: Callable[[], Any]) -> Any:
    """Return what `act` returns, or the Failure it raises."""
    try:
        return act()
    except Failure as failure:
        return failure


# --- THE TARGETS --------------------------------------------------------------------------------------

TASKS: Mapping[str, tuple[Json, ...]] = MappingProxyType(
    {
        "openai_chat": (
            {"model": "m", "input": ["a", "b"], "dimensions": 2, "encoding_format": "base64", "user": "u"},
            {"model": "m", "input": [[1, 2], [3]]},
            {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}],
             "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2}},
        ),
        "gemini": (
            {"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 2},
            {"requests": [{"model": "models/m", "content": {"parts": [{"text": "a"}]}}]},
            {"embedding": {"values": [0.1]}}, {"embeddings": [{"values": [0.1]}]},
        ),
        "cohere": (
            {"model": "m", "input_type": "search_query", "texts": ["a"], "embedding_types": ["float"]},
            {"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 1},
            {"id": "e", "embeddings": {"float": [[0.1]]}, "texts": ["a"],
             "meta": {"billed_units": {"input_tokens": 1}}},
            {"id": "r", "results": [{"index": 1, "relevance_score": 0.5}],
             "meta": {"billed_units": {"search_units": 1}}},
        ),
        "ollama": (
            {"model": "m", "input": ["a"], "truncate": True, "dimensions": 2, "options": {}, "keep_alive": 5},
            {"model": "m", "prompt": "a"}, {"model": "m", "embeddings": [[0.1]], "prompt_eval_count": 1},
            {"embedding": [0.1]},
        ),
    }
)  # fmt: skip
"""Bodies of the tasks that are answered at once, requests and answers alike, after dialects.md section 8."""

EMBED = Embed("openai_chat", "m", ((Text("a"),), (Text("b"),)))
RERANK = Rerank("cohere", "m", "q", ("a", "b"))
Target = Callable[[Draw], None]
CODES = st.sampled_from(
    (400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 429, 499, 500, 502, 503, 504, 529, 599)
)
HEADERS = st.dictionaries(
    st.sampled_from(("retry-after", "retry-after-ms", "x-should-retry", "x-request-id", "anthropic-version",
                     "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens",
                     "anthropic-ratelimit-requests-reset", "date")),
    st.sampled_from(("", "0", "1", "-1", "1e308", "1e400", "nan", "1m0s", "2026-13-45T00:00:00Z", "é", "inf",
                     "9" * 300, "9" * 400, "9" * 400 + "s")),
    max_size=3,
)  # fmt: skip


def targets(*, recorded: bool) -> dict[str, Target]:
    """Return what can be fuzzed, by name; `recorded` takes recorded traffic for seeds too."""
    found: dict[str, Target] = {}
    for codec in DIALECTS.values():
        seeds = {
            kind: [
                sample
                for sample in (KINDS[kind]() if recorded else own(kind, "json", "sse", "ndjson"))
                if sample.dialect == codec.name and len(wire(sample.body)) < 60_000
            ]
            for kind in ("requests", "answers", "failures", "streams")
        }
        found |= _of_dialect(codec, seeds)
        found |= _of_tasks(codec)
    return found


def _of_dialect(codec: Dialect, seeds: dict[str, list[Sample]]) -> dict[str, Target]:
    asked, told = _words(seeds["requests"]), _words(seeds["answers"] + seeds["failures"])
    streams = [(sample, _frames(sample)) for sample in seeds["streams"]]
    chunks = Vocabulary([received(frame.data) for _, frames in streams for frame in frames])

    def any_request(draw: Draw) -> None:
        like: Sample = draw(st.sampled_from(seeds["requests"]))
        call = msgspec.structs.replace(
            like.call, headers=draw(HEADERS), query={"key": draw(st.text(max_size=4))}
        )
        check_client_bytes(codec, draw(DATA), call)

    def request(draw: Draw) -> None:
        like: Sample = draw(st.sampled_from(seeds["requests"]))
        check_client_bytes(codec, wire(mutate(draw, like.body, asked)), like.call)

    def answer(draw: Draw) -> None:
        like: Sample = draw(st.sampled_from(seeds["answers"]))
        check_answer(codec, wire(mutate(draw, like.body, told)))

    def any_answer(draw: Draw) -> None:
        check_answer(codec, draw(DATA))
        check_failure(codec, draw(CODES), draw(HEADERS), wire(draw(ANY)))

    def failure(draw: Draw) -> None:
        like: Sample = draw(st.sampled_from(seeds["failures"]))
        headers = {**like.headers, **draw(HEADERS)}
        check_failure(codec, draw(CODES), headers, wire(mutate(draw, like.body, told)))

    def stream(draw: Draw) -> None:
        _, frames = draw(st.sampled_from(streams))
        frames = list(frames)
        for _ in range(draw(st.integers(1, 3))):
            if frames:
                _spoil(draw, frames, chunks)
        check_frames(codec, frames)

    def data(draw: Draw) -> None:
        sample, _ = draw(st.sampled_from(streams))
        raw = sample.stream
        here, there = sorted(draw(st.tuples(*[st.integers(0, len(raw))] * 2)))
        spoilt = raw[:here] + draw(st.binary(max_size=12)) + raw[there:]
        check_bytes(codec, draw(st.sampled_from((spoilt, draw(st.binary(max_size=60))))), here)

    kinds = (any_request, request, answer, any_answer, failure, stream, data)
    return {f"{codec.name}.{kind.__name__}": kind for kind in kinds}


def _words(samples: list[Sample]) -> Vocabulary:
    return Vocabulary([sample.body for sample in samples])


def _frames(sample: Sample) -> list[Frame]:
    decoder = sample.codec.framing.decoder()
    return [*decoder.feed(sample.stream), *decoder.close()]


def _spoil(draw: Draw, frames: list[Frame], words: Vocabulary) -> None:
    """Do one wrong thing to a stream."""
    index = draw(st.integers(0, len(frames) - 1))
    frame = frames[index]
    match draw(st.integers(0, 5)):
        case 0:
            del frames[index]
        case 1:
            frames.insert(index, draw(st.sampled_from(frames)))
        case 2:
            frames[index] = Frame(
                frame.data, draw(st.sampled_from(["", "error", "é", *(f.event for f in frames)]))
            )
        case 3:
            frames[index] = Frame(wire(draw(ANY)), frame.event)
        case _:
            frames[index] = Frame(wire(mutate(draw, received(frame.data), words)), frame.event)


def _of_tasks(codec: Dialect) -> dict[str, Target]:
    """Return the targets of what is answered at once; its bodies mix, for one is nonsense to the other."""
    kept = [json.loads(path.read_text()) for path in sorted((OWN / codec.name).glob("*/*.json")) if
            path.parent.name not in (*KINDS,)]  # fmt: skip
    bodies = [*TASKS.get(codec.name, ({},)), *(item["body"] for item in kept if "body" in item)]
    words = Vocabulary(bodies)
    paths = [end.path for end in codec.endpoints if end.task in ("embed", "rerank")] or [
        codec.endpoints[0].path
    ]

    def task(draw: Draw) -> None:
        body = (
            draw(ANY) if draw(st.integers(0, 4)) == 0 else mutate(draw, draw(st.sampled_from(bodies)), words)
        )
        call = Call("POST", draw(st.sampled_from(paths)).replace("{model}", "m"))
        for name in ("embed", "rerank"):
            codec_of = getattr(codec.tasks, name)
            if codec_of is not None:
                check_task(codec_of, name, wire(body), call)

    return {f"{codec.name}.task": task}


def check_task(codec: Any, name: str, data: bytes, call: Call) -> None:
    """Read bytes as a request and as the answer to one; write what was accepted for everybody."""
    others = [other for dialect in DIALECTS.values() if (other := getattr(dialect.tasks, name)) is not None]
    asked = survive(lambda: codec.read_request(msgspec.structs.replace(call, body=parse(data))))
    if isinstance(asked, Failure):
        blame(asked)
        asked = EMBED if name == "embed" else RERANK
    for other in others:
        survive(partial(_asked_of, other, asked))
    told = survive(lambda: codec.read_answer(Reply(200, {}, received(data)), asked))
    if not isinstance(told, Failure):
        for other in others:
            survive(partial(_told_of, other, told, asked))


# --- BY TIME ------------------------------------------------------------------------------------------

ROUND = 200
"""Examples of one target before the next has its turn."""


def spend(seconds: float, only: str = "") -> int:
    """Fuzz every target in turn for so long; print what was found, and return how many kinds of fault."""
    chosen = {name: target for name, target in targets(recorded=True).items() if only in name}
    ran: Counter[str] = Counter()
    faults: dict[str, str] = {}
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for name, target in chosen.items():
            if time.monotonic() > end:
                break
            number += 1
            try:
                _round(target, ran, name, number)
            except Exception as fault:  # noqa: BLE001  whatever it is, it is what is looked for
                if (line := _where(name, fault)) not in faults:
                    faults[line] = "".join(getattr(fault, "__notes__", ()))
                    print(line, faults[line][:3000], sep="\n", flush=True)  # noqa: T201  its result is what it prints
    print(f"{ran.total()} examples in {len(chosen)} targets, {len(faults)} faults")  # noqa: T201
    for line in faults:
        print("  ", line)  # noqa: T201
    return len(faults)


def _round(target: Target, ran: Counter[str], name: str, number: int) -> None:
    @seed(number)
    @settings(
        max_examples=ROUND,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        ran[name] += 1
        target(data.draw)

    run()


def _where(name: str, fault: BaseException) -> str:
    """Return a fault's kind and the deepest line of the project it came through."""
    trace, place = fault.__traceback__, "?"
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "/dragoman/" in file:
            place = f"{Path(file).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{name}: {type(fault).__name__} at {place}: {str(fault)[:200]}"


if __name__ == "__main__":
    sys.exit(bool(spend(float(os.environ.get("FUZZ_S", "60")), os.environ.get("FUZZ_ONLY", ""))))
