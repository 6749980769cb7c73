"""Every sample through every other dialect: what that loses, kept in files that are read in a review.

    python tests/crossing/golden.py      write golden/*.json anew

A file maps a sample to what each dialect loses of it: {"anthropic gemini": "dropped:seed"}; dialects that
lose the same share an entry, and one that loses nothing is not there. A refusal is written as "refused" and
where. Recorded traffic gives names and paths only: nothing anyone said is in these files.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from tests.crossing import gist  # noqa: E402
from tests.dialects.corpus import KINDS, RECORDED, Sample, read  # noqa: E402

from dragoman.core.events import Event, Response, Start, Stop, fold  # noqa: E402
from dragoman.core.extras import Loss  # noqa: E402
from dragoman.core.failure import Failure, Kind, Source  # noqa: E402
from dragoman.core.request import Message, Request, Text  # noqa: E402
from dragoman.dialects import Call, Dialect, framing_of  # noqa: E402
from dragoman.dialects.catalog import DIALECTS  # noqa: E402

FOLDER = Path(__file__).parent / "golden"
CROSSED = ("requests", "answers", "streams")
FAILED = ("error", "bad_tool_call", "filter")
"""Reasons to stop that a dialect may have to tell as a fault."""


UNREADABLE = {
    # It asks for a temperature of -1, which is the provider's to refuse.
    "openai_responses/recorded/openai-responses-model-http-error",
}
"""Requests that are written as they are though no server takes them, each with its reason."""


class Wrong(AssertionError):
    """A crossing changed something and named no loss."""


def cross(sample: Sample, kind: str, other: Dialect) -> str:
    """Take one sample to another dialect and back; return what was lost, or the refusal.

    Raises:
        Wrong: The other side does not read what was said, and no loss names the difference.
    """
    by_kind = {"requests": _request, "answers": _answer, "streams": _stream}
    try:
        losses = by_kind[kind](sample, other)
    except Failure as failure:
        if failure.kind is Kind.UNSUPPORTED and failure.at:
            return f"refused {failure.at}"
        if failure.source is Source.UPSTREAM and kind != "requests":
            return f"failed {failure.kind}"
        raise Wrong(f"{failure!r} is neither a refusal with a path nor a provider's fault") from failure
    return ", ".join(sorted(set(map(str, losses))))


def _request(sample: Sample, other: Dialect) -> Iterable[Loss]:
    request = sample.codec.read_request(sample.call)
    call = other.write_request(request)
    taken = request.messages and request.max_output != 0 and sample.name not in UNREADABLE
    if taken:
        path = f"{other.root}{call.path}"
        again = _readable(other, Call(call.method, path, call.query, call.headers, call.body))
        _agree(gist.differences(request, again, call.losses))
    return call.losses


def _readable(codec: Dialect, call: Call) -> Request:
    try:
        return codec.read_request(call)
    except Failure as failure:
        raise Wrong(f"what was written cannot be read: {failure!r}") from failure


def _answer(sample: Sample, other: Dialect) -> Iterable[Loss]:
    answer = _named(sample.codec.read_answer(sample.reply))
    reply = other.write_answer(answer, asking(other))
    try:
        again = other.read_answer(reply)
    except Failure as failure:
        _told_as_fault(answer, failure)
    else:
        _same(answer, again, other, reply.losses)
    return reply.losses


def _stream(sample: Sample, other: Dialect) -> Iterable[Loss]:
    events, failure = sample.events()
    events = [_begun(event) for event in events]
    writer = other.writer(asking(other))
    framing = framing_of(other, writer)
    frames = [frame for event in events for frame in writer.feed(event)]
    frames += [] if failure is None else writer.fail(failure)
    again, late = read(other, b"".join(map(framing.encode, frames)))
    if failure is not None:
        _agree([] if late is not None else ["a stream that failed looks complete"])
    elif late is not None:
        _told_as_fault(fold(events), late)
    else:
        _same(fold(events), fold(again), other, writer.losses)
    return writer.losses


def asking(codec: Dialect) -> Request:
    """Return a client's request for all there is to tell."""
    return Request(codec.name, "m", (Message("user", (Text("Hi"),)),), stream=True, stream_usage=True)


def _begun(event: Event) -> Event:
    """Return an event with what the gateway adds where the provider said nothing."""
    if not isinstance(event, Start):
        return event
    return msgspec.structs.replace(event, id=event.id or "x", created_at=event.created_at or 1)


def _named(answer: Response) -> Response:
    return msgspec.structs.replace(answer, id=answer.id or "x", created_at=answer.created_at or 1)


def _same(answer: Response, again: Response, other: Dialect, losses: Iterable[Loss]) -> None:
    _agree(gist.differences_in_answer(answer, again, losses, told_in=other.name))


def _told_as_fault(answer: Response, failure: Failure) -> None:
    stops: list[Stop] = [choice.stop for choice in answer.choices]
    if all(stop.reason not in FAILED for stop in stops):
        raise Wrong(f"{stops} was told as {failure!r}") from failure


def _agree(differences: list[str]) -> None:
    if differences:
        raise Wrong("\n".join(differences))


def all_samples() -> Iterator[tuple[str, Sample]]:
    """Yield every sample that crosses, with its kind; own ones first."""
    for kind in CROSSED:
        for sample in KINDS[kind]():
            yield kind, sample


def file_of(sample: Sample) -> Path:
    """Return where a sample's losses are kept."""
    return FOLDER / ("recorded.json" if "/recorded/" in sample.name else "own.json")


def key_of(kind: str, sample: Sample) -> str:
    """Return the name a sample has there; a recording is an exchange, so its kind is said."""
    return sample.name if f"/{kind}/" in sample.name else sample.name.replace("/recorded/", f"/{kind}/")


def entry(kind: str, sample: Sample) -> dict[str, str]:
    """Return what each dialect loses of a sample, as it is kept."""
    lost: dict[str, list[str]] = {}
    for other in DIALECTS.values():
        if other.name != sample.dialect and (loss := cross(sample, kind, other)):
            lost.setdefault(loss, []).append(other.name)
    return {" ".join(names): loss for loss, names in lost.items()}


def main() -> None:
    """Write both files anew, as far as their samples are at hand."""
    kept: dict[Path, dict[str, dict[str, str]]] = {FOLDER / "own.json": {}}
    if RECORDED.is_dir():
        kept[FOLDER / "recorded.json"] = {}
    for kind, sample in all_samples():
        if found := entry(kind, sample):
            kept[file_of(sample)][key_of(kind, sample)] = found
    for path, entries in kept.items():
        path.write_text(json.dumps(dict(sorted(entries.items())), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
