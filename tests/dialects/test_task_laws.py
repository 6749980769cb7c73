"""The laws every embed and rerank codec keeps, on its own corpus and on recorded traffic.

They are those of the chat codecs: nothing is lost at home, a client's nonsense is a 400 with a path, and a
provider's is survived or is the provider's fault.
"""

from __future__ import annotations

import msgspec
import pytest
from tests.dialects.tasks import Exchange, exchanges, own
from tests.dialects.test_laws import mutants

from dragoman.core.failure import Failure, Kind, Source
from dragoman.core.tasks import Embed
from dragoman.dialects import Reply
from dragoman.dialects.catalog import find

OWN = [pytest.param(sample, id=sample.name) for sample in own()]


@exchanges()
def test_a_request_goes_home_as_it_came(sample: Exchange) -> None:
    """Read strictly and written for its own dialect, a request is the same JSON and loses nothing."""
    call = sample.codec.write_request(sample.asked())
    assert call.body == (sample.home or sample.request)
    assert not call.losses


@exchanges(answered=True)
def test_an_answer_goes_home_as_it_came(sample: Exchange) -> None:
    """Read leniently and written again, an answer is the same JSON and loses nothing."""
    asked = sample.asked()
    written = sample.codec.write_answer(sample.codec.read_answer(sample.reply, asked), asked)
    assert written.body == sample.answer
    assert not written.losses


@exchanges(answered=True)
def test_an_answer_is_all_that_was_asked(sample: Exchange) -> None:
    """There is a vector for each input, if any is told as numbers, and a rank for each wanted document."""
    asked = sample.asked()
    told = sample.codec.read_answer(sample.reply, asked)
    if isinstance(asked, Embed):
        assert len(told.vectors) in (0, len(asked.inputs))
    else:
        assert len(told.ranks) == (asked.top or len(asked.documents))


@pytest.mark.parametrize("sample", OWN)
def test_a_clients_nonsense_is_refused_or_relayed(sample: Exchange) -> None:
    """Whatever is wrong with one field of a request, it is a 400 with a path, or goes home as it came."""
    for body in mutants(sample.request):
        try:
            asked = sample.codec.read_request(msgspec.structs.replace(sample.call, body=body))
        except Failure as failure:
            assert failure.kind is Kind.INVALID  # noqa: PT017  either outcome will do
            assert failure.at  # noqa: PT017  as above
        else:
            written = sample.codec.write_request(asked).body
            assert sample.home is not None or written == body


@pytest.mark.parametrize("sample", OWN)
def test_a_providers_nonsense_is_survived(sample: Exchange) -> None:
    """Whatever is wrong with one field of an answer, it is written all the same, or the provider's fault."""
    asked = sample.asked()
    for body in mutants(sample.answer):
        try:
            told = sample.codec.read_answer(Reply(200, {}, body), asked)
        except Failure as failure:
            assert failure.source is Source.UPSTREAM  # noqa: PT017  either outcome will do
        else:
            assert sample.codec.write_answer(told, asked).status == 200


@pytest.mark.parametrize("sample", OWN)
def test_it_is_served_where_it_was_sent(sample: Exchange) -> None:
    """The path of each exchange is one the dialect answers at, for this task."""
    found = find("POST", sample.path)
    assert found is not None
    assert (found[0].name, found[1].task) == (sample.dialect, sample.task)
