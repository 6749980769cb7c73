"""The laws every dialect keeps, on its own corpus and on recorded traffic.

Nothing is lost at home: what is read and written again is what it was. Events are the same however the
bytes were cut, and however often a stream is read and written. A new dialect is tested here by its line in
the catalogue and its corpus folder alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dialects.corpus import Sample, own, read, samples, write

from dragoman.core.events import Open, Start, fold, unfold
from dragoman.core.extras import Json
from dragoman.core.failure import Failure, Kind, Retry, Source
from dragoman.core.request import Message, Request, Text
from dragoman.dialects import Reply
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.framing import Frame

NORMAL_FORMS = {
    # The provider gave a call no id. Its client could never answer it, so it gets one of ours.
    "openai_chat/recorded/gemini-compat-compatible-api-with-tool-calls-without-id",
}
"""Answers that are not written exactly as they came, each with its reason."""

STREAMS = list(own("streams", "sse", "ndjson"))
NONSENSE: tuple[Json, ...] = (None, True, -7, "", "x", [], [[1]], {}, {"x": [1]})


def asking(codec_name: str) -> Request:
    """Return a client's request for a stream that tells all there is to tell."""
    return Request(codec_name, "m", (Message("user", (Text("Hi"),)),), stream=True, stream_usage=True)


@samples("requests")
def test_a_request_goes_home_as_it_came(sample: Sample) -> None:
    """Read strictly and written for its own dialect, a request is the same JSON and loses nothing."""
    call = sample.codec.write_request(sample.codec.read_request(sample.call))
    assert call.body == sample.body
    assert not call.losses


@samples("answers")
def test_an_answer_goes_home_as_it_came(sample: Sample) -> None:
    """Read leniently and written again, an answer is the same JSON and loses nothing."""
    answer = sample.codec.read_answer(sample.reply)
    written = sample.codec.write_answer(answer, asking(sample.dialect))
    assert not written.losses
    assert (written.body == sample.body) is (sample.name not in NORMAL_FORMS)


@samples("answers")
def test_an_answer_survives_being_told_as_events(sample: Sample) -> None:
    """A recorded answer folded from its own events is the same answer."""
    answer = sample.codec.read_answer(sample.reply)
    assert fold(unfold(answer)) == answer


@samples("streams")
def test_a_stream_goes_home_as_it_came(sample: Sample) -> None:
    """Events written and read again are the same events, extras included; so is what came before a fault."""
    events, failure = sample.events()
    data = write(sample.codec, events, asking(sample.dialect))
    again, late = read(sample.codec, data)
    if failure is None:
        assert late is None
        assert again == events
    else:
        # What was begun stays open, and is cut off for its reader too.
        assert late is not None
        assert again == events


@samples("streams")
def test_a_stream_folds_to_an_answer_that_unfolds(sample: Sample) -> None:
    """The answer a stream folds to can be recorded, told again and written whole."""
    events, failure = sample.events()
    answer = fold(events)
    assert fold(unfold(answer)) == answer
    if failure is None:
        sample.codec.write_answer(answer, asking(sample.dialect))


@samples("streams")
def test_events_come_in_order(sample: Sample) -> None:
    """Start is first, parts are numbered in order of opening, and no choice has two open parts."""
    events, failure = sample.events()
    kinds = [type(event).__name__ for event in events]
    assert kinds[:1] in ([], ["Start"])
    assert kinds.count("Start") <= 1
    opened = [event.index for event in events if isinstance(event, Open)]
    assert opened == list(range(len(opened)))
    if failure is None:
        assert kinds[-1] == "End"
        assert kinds.index("Stop") > max(i for i, kind in enumerate(kinds) if kind not in ("Stop", "End"))


@samples("streams")
def test_bytes_may_come_one_by_one(sample: Sample) -> None:
    """A stream read byte by byte says the same as one read at once."""
    whole, failure = sample.events()
    pieces, late = read(sample.codec, sample.stream, cut=1)
    assert pieces == whole
    assert repr(late) == repr(failure)


def frames_of(sample: Sample, *cuts: int) -> list[Frame]:
    """Return the frames of a stream cut at these offsets."""
    decoder, bounds = sample.codec.framing.decoder(), [0, *sorted(cuts), len(sample.stream)]
    frames: list[Frame] = []
    for start, end in pairwise(bounds):
        frames += decoder.feed(sample.stream[start:end])
    return frames + decoder.close()


@pytest.mark.parametrize("sample", [pytest.param(sample, id=sample.name) for sample in STREAMS])
def test_any_cut_gives_the_same_frames(sample: Sample) -> None:
    """One cut, at every offset of a stream, changes nothing."""
    whole = frames_of(sample)
    assert all(frames_of(sample, offset) == whole for offset in range(len(sample.stream)))


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 4000), max_size=20))
def test_any_cuts_give_the_same_frames(sample: Sample, offsets: list[int]) -> None:
    """Many cuts at once change nothing either."""
    cuts = [min(offset, len(sample.stream)) for offset in offsets]
    assert frames_of(sample, *cuts) == frames_of(sample)


@samples("failures")
def test_a_providers_failure_is_read_and_can_be_told(sample: Sample) -> None:
    """Whatever a provider answers with an error status becomes a Failure that any client can be told."""
    failure = sample.codec.read_failure(sample.reply)
    assert failure.status == sample.status
    assert failure.message
    for codec in DIALECTS.values():
        assert codec.write_failure(failure).status >= 400


def mutants(value: Json) -> Iterator[Json]:
    """Yield copies of a JSON value, each with one node replaced by something of another kind."""
    for nonsense in NONSENSE:
        if nonsense != value:
            yield nonsense
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        for mutant in mutants(inner):
            changed = value.copy()
            changed[key] = mutant
            yield changed


@pytest.mark.parametrize(
    "sample", [pytest.param(sample, id=sample.name) for sample in own("requests", "json")]
)
def test_a_clients_nonsense_is_refused_or_relayed(sample: Sample) -> None:
    """Whatever is wrong with one field of a request, it is a 400 with a path, or goes home as it came."""
    for body in mutants(sample.body):
        try:
            request = sample.codec.read_request(msgspec.structs.replace(sample.call, body=body))
        except Failure as failure:
            assert failure.kind is Kind.INVALID  # noqa: PT017  either outcome will do
            assert failure.at  # noqa: PT017  as above
        else:
            assert sample.codec.write_request(request).body == body


@pytest.mark.parametrize(
    "sample", [pytest.param(sample, id=sample.name) for sample in own("answers", "json")]
)
def test_a_providers_nonsense_is_survived(sample: Sample) -> None:
    """Whatever is wrong with one field of an answer, it is read all the same, or is the provider's fault."""
    for body in mutants(sample.body):
        try:
            answer = sample.codec.read_answer(Reply(200, {}, body))
        except Failure as failure:
            assert failure.source is not Source.GATEWAY  # noqa: PT017  either outcome will do
        else:
            assert fold(unfold(answer)) == answer


@pytest.mark.parametrize("sample", [pytest.param(sample, id=sample.name) for sample in STREAMS])
def test_nonsense_in_a_stream_is_survived(sample: Sample) -> None:
    """Whatever is wrong with one field of a chunk, it is read all the same, or is the provider's fault."""
    frames = frames_of(sample)
    for place, frame in enumerate(frames):
        try:
            chunk = msgspec.json.decode(frame.data)
        except msgspec.DecodeError:
            continue
        for mutant in mutants(chunk):
            reader = sample.codec.reader()
            changed = msgspec.structs.replace(frame, data=msgspec.json.encode(mutant))
            try:
                for one in [*frames[:place], changed, *frames[place + 1 :]]:
                    reader.feed(one)
                reader.close()
            except Failure as failure:
                assert failure.source is not Source.GATEWAY  # noqa: PT017  either outcome will do


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", DIALECTS)
def test_every_kind_of_failure_can_be_told(name: str, kind: Kind) -> None:
    """Every kind has a status, is told whole, and is told in a stream without a clean end."""
    codec = DIALECTS[name]
    failure = Failure(kind, "words", source=Source.GATEWAY, retry=Retry.NEVER, at="$.x", retry_after_s=1.2)
    reply = codec.write_failure(failure)
    assert 400 <= reply.status < 600
    assert "words" in msgspec.json.encode(reply.body).decode()
    writer = codec.writer(asking(name))
    begun = [frame for event in (Start("id", "m"),) for frame in writer.feed(event)]
    told = b"".join(codec.framing.encode(frame) for frame in [*begun, *writer.fail(failure)])
    _, read_back = read(codec, told)
    assert read_back is not None
    assert "words" in read_back.message or read_back.kind is Kind.UPSTREAM


@pytest.mark.parametrize("name", DIALECTS)
def test_a_keepalive_says_nothing(name: str) -> None:
    """What keeps a connection alive is no event of any kind."""
    codec = DIALECTS[name]
    decoder, reader = codec.framing.decoder(), codec.reader()
    keepalive = codec.writer(asking(name)).keepalive()
    assert keepalive
    assert [event for frame in decoder.feed(keepalive) for event in reader.feed(frame)] == []
