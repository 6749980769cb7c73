"""Whom a relayed request goes to: what it names, the vendor, or nobody without being told how to choose."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.dialects import Call
from dragoman.dialects.catalog import DIALECTS
from dragoman.dialects.relayed import place_of
from dragoman.exchange.aim import Aim, Incoming, aimed, door_of, told_of
from dragoman.exchange.life import Snapshot
from dragoman.providers import Provider
from dragoman.providers.catalog import catalog
from dragoman.providers.prices import PriceList
from dragoman.providers.transport import Deadlines
from dragoman.routing import RouteSpec, Table, Target

SPEAKS = {
    "openai": "openai_chat",
    "groq": "openai_chat",
    "newer": "openai_responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "cohere": "cohere",
}
FORM = "multipart/form-data; boundary=x"


def live(*ready: str) -> Snapshot:
    """Return a configuration in which these providers are ready."""
    rows = {
        name: Provider(
            name=name,
            dialect=dialect,
            base_url=f"https://{name}.example{DIALECTS[dialect].root}",
            keyless=True,
        )
        for name, dialect in SPEAKS.items()
    }
    table = Table(
        routes={
            "paint": RouteSpec(("anthropic/x", "groq/brush", "openai/pencil")),
            "words": RouteSpec(("anthropic/x",)),
            "v1beta": RouteSpec(("gemini/real",)),
            "models": RouteSpec(("gemini/real",)),
        },
        offers={"whisper": (Target("groq", "whisper"), Target("openai", "whisper-1"))},
        ready=frozenset(ready),
        waiting={name: f"set {name.upper()}_API_KEY" for name in SPEAKS if name not in ready},
        kinds={"whisper": "embed"},
    )
    return Snapshot(
        prices=PriceList(catalog()),
        dialects=DIALECTS,
        providers=MappingProxyType(rows),
        catalog=catalog(),
        table=table,
        deadlines=Deadlines(),
    )


def sent(
    path: str, body: bytes = b"", kind: str = "application/json", *, method: str = "POST", **headers: str
) -> Incoming:
    """Return a request; underscores in header names are dashes."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Incoming(Call(method, path, {}, {"content-type": kind, **given}), path, "", body, "http://here")


def aim(snapshot: Snapshot, incoming: Incoming) -> Aim:
    """Return where a request goes."""
    place = place_of(incoming.call.method, incoming.call.path, incoming.call.headers)
    assert place is not None
    return aimed(snapshot, place, incoming, told_of(place, incoming))


def model(name: str) -> bytes:
    """Return a body that names a model."""
    return msgspec.json.encode({"model": name, "n": 1})


def refusal(snapshot: Snapshot, incoming: Incoming) -> Failure:
    """Return why a request goes nowhere."""
    with pytest.raises(Failure) as caught:
        aim(snapshot, incoming)
    return caught.value


IMAGES, SPEECH, FILES = "/v1/images/generations", "/v1/audio/transcriptions", "/v1/files"
ALL = tuple(SPEAKS)

GOES: list[tuple[tuple[str, ...], Incoming, str, str]] = [
    (ALL, sent(FILES, method="GET"), "https://openai.example/v1/files", ""),
    (("groq",), sent(FILES, method="GET"), "https://groq.example/v1/files", ""),
    (("newer",), sent(FILES, method="GET"), "https://newer.example/v1/files", ""),
    (("groq", "newer"), sent(FILES, method="GET"), "https://groq.example/v1/files", ""),
    (("groq", "newer"), sent("/v1/responses/compact"), "https://newer.example/v1/responses/compact", ""),
    (ALL, sent(FILES, method="GET", x_dragoman_provider="groq"), "https://groq.example/v1/files", ""),
    (ALL, sent(FILES, method="GET", anthropic_version="x"), "https://anthropic.example/v1/files", ""),
    (ALL, sent("/v2/datasets", method="GET"), "https://cohere.example/v2/datasets", ""),
    (ALL, sent("/v1/classify"), "https://cohere.example/v1/classify", ""),
    (ALL, sent("/upload/v1beta/files"), "https://gemini.example/upload/v1beta/files", ""),
    (ALL, sent(IMAGES, model("dall-e-9")), "https://openai.example/v1/images/generations", "dall-e-9"),
    (ALL, sent(IMAGES, model("meta/dall")), "https://openai.example/v1/images/generations", "meta/dall"),
    (ALL, sent(IMAGES, model("groq/dall")), "https://groq.example/v1/images/generations", "dall"),
    (ALL, sent(IMAGES, model("paint")), "https://groq.example/v1/images/generations", "brush"),
    (
        ALL,
        sent(IMAGES, model("paint"), x_dragoman_provider="openai"),
        "https://openai.example/v1/images/generations",
        "pencil",
    ),
    (("openai",), sent(IMAGES, model("paint")), "https://openai.example/v1/images/generations", "pencil"),
    (ALL, sent(SPEECH, model("whisper")), "https://groq.example/v1/audio/transcriptions", "whisper"),
    (
        ("openai",),
        sent(SPEECH, model("whisper")),
        "https://openai.example/v1/audio/transcriptions",
        "whisper-1",
    ),
    (
        ALL,
        sent("/v1beta/models/gemini/imagen:predict"),
        "https://gemini.example/v1beta/models/imagen:predict",
        "imagen",
    ),
    *(
        (
            ALL,
            sent(f"/v1beta/models/{name}:predict"),
            "https://gemini.example/v1beta/models/real:predict",
            "real",
        )
        for name in ("v1beta", "models")
    ),
    (
        ALL,
        sent("/v1beta/models/imagen:predict"),
        "https://gemini.example/v1beta/models/imagen:predict",
        "imagen",
    ),
    (
        ALL,
        sent("/v1beta/cachedContents", model("models/gemini/flash")),
        "https://gemini.example/v1beta/cachedContents",
        "flash",
    ),
    (ALL, sent("/relay/groq/v1/x", model("openai/y")), "https://groq.example/v1/x", "openai/y"),
    (ALL, sent("/relay/anthropic"), "https://anthropic.example/v1", ""),
]


@pytest.mark.parametrize(("ready", "incoming", "url", "named"), GOES)
def test_where_a_request_goes(ready: tuple[str, ...], incoming: Incoming, url: str, named: str) -> None:
    """By the path, the model, the header, the vendor, or because only one is there."""
    found = aim(live(*ready), incoming)
    assert (found.url, found.model) == (url, named)


@pytest.mark.parametrize(
    ("body", "goes"),
    [
        (b'{"n":[1.0],  "model" :"paint"}', b'{"n":[1.0],  "model" :"brush"}'),
        (b'{"model":"dall-e-9" }', b'{"model":"dall-e-9" }'),
        (b'{"n": 1 }', b'{"n": 1 }'),
    ],
)
def test_only_a_name_that_differs_is_replaced(body: bytes, goes: bytes) -> None:
    """What the provider calls otherwise, and nothing else."""
    assert aim(live(*ALL), sent(IMAGES, body)).body == goes


def test_geminis_prefix_stays() -> None:
    """A body that says models/NAME goes on saying it."""
    found = aim(live(*ALL), sent("/v1beta/cachedContents", model("models/gemini/flash")))
    assert found.body == model("models/flash")
    same = aim(live(*ALL), sent("/v1beta/cachedContents", model("models/flash")))
    assert (same.body, same.model) == (model("models/flash"), "flash")


def test_a_form_is_patched_too() -> None:
    """The field's content, between the same boundaries."""
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\npaint\r\n--x--'
    assert aim(live(*ALL), sent(SPEECH, form, FORM)).body == form.replace(b"paint", b"brush")


def test_below_a_provider_the_body_is_never_read_for_more_than_the_ledger() -> None:
    """What is no JSON at all passes as it is."""
    assert aim(live(*ALL), sent("/relay/groq/x", b"{not json")).body == b"{not json"


NOWHERE: list[tuple[tuple[str, ...], Incoming, Kind, str]] = [
    (
        ("groq", "newer", "anthropic"),
        sent("/relay/nobody/x"),
        Kind.NOT_FOUND,
        "ready are anthropic, groq, newer",
    ),
    ((), sent("/relay/nobody/x"), Kind.NOT_FOUND, "ready are none"),
    ((), sent("/relay/openai/x"), Kind.NOT_FOUND, "set OPENAI_API_KEY"),
    (("groq",), sent("/v1beta/files"), Kind.NOT_FOUND, "speaks gemini"),
    (("groq",), sent(FILES, x_dragoman_provider="openai"), Kind.NOT_FOUND, "set OPENAI_API_KEY"),
    (("groq",), sent(IMAGES, model("openai/dall")), Kind.NOT_FOUND, "set OPENAI_API_KEY"),
    (ALL, sent(IMAGES, model("words")), Kind.INVALID, "no target of this model serves the path"),
    (
        ALL,
        sent(IMAGES, model("groq/x"), x_dragoman_provider="openai"),
        Kind.INVALID,
        "two different providers",
    ),
    (ALL, sent(IMAGES, b"[]"), Kind.INVALID, "not a valid JSON object"),
    (ALL, sent(IMAGES, b'{"model": 7}'), Kind.INVALID, "model must be a string"),
    (ALL, sent("/relay/groq/../x"), Kind.INVALID, "not passed on"),
]


@pytest.mark.parametrize(("ready", "incoming", "kind", "words"), NOWHERE)
def test_where_nothing_goes(ready: tuple[str, ...], incoming: Incoming, kind: Kind, words: str) -> None:
    """Each refusal says what is missing or how to choose."""
    failure = refusal(live(*ready), incoming)
    assert failure.kind is kind
    assert words in failure.message


def test_several_that_could_be_meant_are_named() -> None:
    """Without the vendor, two providers of one protocol are a question, and the header is the answer."""
    snapshot = live("groq", "newer")
    more: dict[str, Any] = {
        **snapshot.providers,
        "acme": msgspec.structs.replace(snapshot.providers["groq"], name="acme"),
    }
    table = msgspec.structs.replace(snapshot.table, ready=frozenset({"groq", "acme", "newer"}))
    failure = refusal(msgspec.structs.replace(snapshot, providers=more, table=table), sent(FILES))
    assert failure.kind is Kind.INVALID
    assert "acme, groq" in failure.message
    assert "x-dragoman-provider" in failure.message


@pytest.mark.parametrize(
    ("path", "door"),
    [
        ("/v1/files", "openai_chat"),
        ("/v1/messages/batches", "anthropic"),
        ("/v1beta/files", "gemini"),
        ("/v2/x", "cohere"),
        ("/relay/anthropic/v1/files", "anthropic"),
        ("/relay/nobody/v1/files", "openai_chat"),
    ],
)
def test_refusals_are_in_the_paths_own_words(path: str, door: str) -> None:
    """The provider's dialect below its name, the vendor's elsewhere."""
    place = place_of("GET", path, {})
    assert place is not None
    assert door_of(live(*ALL), place).name == door
