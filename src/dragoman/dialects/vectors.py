"""What every dialect does alike with vectors and ranks, whatever its words.

Strict where a client would be misled without noticing: a vector store keeps what it is given. An answer
with a vector too few, one shorter than the others or one of another length than was asked for, and a
rank of a document nobody sent are the provider's faults (:func:`whole`, :func:`ranked`), never a shorter
answer.

A vector travels as JSON numbers or as base64 of little-endian float32 (:func:`numbers`,
:func:`packed`), which is what embedding models compute in.

A wire may say something about one item of a list that the core has no field for. :func:`set_apart` keeps
it with the whole, item by item, and names each field once, so that what a crossing loses can be declared.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence

from dragoman.core.extras import Extras, Json, extras
from dragoman.core.failure import malformed, unsupported
from dragoman.core.request import Text
from dragoman.core.tasks import Embed, Input, Rank, Rerank, Tokens
from dragoman.dialects.border import Crossing
from dragoman.dialects.fields import Fields

Vector = tuple[float, ...]

# --- VECTORS ------------------------------------------------------------------------------------------


def numbers(value: Json, at: str) -> Vector:
    """Return a provider's vector, told as numbers or as base64 of little-endian float32.

    Raises:
        Failure: UPSTREAM; it is neither, it is empty, or a number in it is none.
    """
    try:
        if isinstance(value, str):
            data = base64.b64decode(value, validate=True)
            vector: Vector = struct.unpack(f"<{len(data) // 4}f", data)
        else:
            # bool is an int to Python and not to JSON, hence the types themselves.
            vector = tuple(map(float, value)) if {*map(type, value)} <= {int, float} else ()
    except (ValueError, TypeError, OverflowError, struct.error):
        vector = ()
    if not vector or not all(map(math.isfinite, vector)):
        raise malformed(f"the provider's answer at {at} is no vector of numbers")
    return vector


def packed(vector: Vector) -> str:
    """Return a vector as base64 of little-endian float32.

    Raises:
        Failure: UPSTREAM; a number is too large for a float32.
    """
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    except (OverflowError, struct.error):
        raise malformed("the provider's vectors hold numbers no float32 can") from None


def whole(
    vectors: Sequence[Vector], request: Embed, lengths: Sequence[int | None] | None = None
) -> tuple[Vector, ...]:
    """Return the vectors if they are what was asked for: one for each input, and as long as asked.

    Args:
        vectors: In the order of the inputs.
        request: What was asked.
        lengths: How long each is to be, where that is not what the request says of all. Those of which
            nothing is known are as long as one another.

    Raises:
        Failure: UPSTREAM; there are more or fewer, or they are longer or shorter.
    """
    if len(vectors) != len(request.inputs):
        raise malformed(f"the provider gave {len(vectors)} vectors for {len(request.inputs)} inputs")
    found: dict[int | None, int] = {}
    for asked, vector in zip(lengths or [request.dimensions] * len(vectors), vectors, strict=True):
        length = found.setdefault(asked, asked or len(vector))
        if len(vector) != length:
            raise malformed(f"the provider gave a vector of {len(vector)} dimensions where {length} were due")
    return tuple(vectors)


# --- INPUTS -------------------------------------------------------------------------------------------


def words(pieces: Input, at: str, out: Crossing) -> str:
    """Return one input as one text.

    Raises:
        Failure: UNSUPPORTED; it holds something else.
    """
    texts: list[str] = []
    for place, piece in enumerate(pieces):
        where = f"{at}[{place}]"
        if not isinstance(piece, Text):
            what = "token ids" if isinstance(piece, Tokens) else f"this {piece.kind}"
            raise unsupported(f"{out.dialect} embeds text, not {what}", where)
        out.own(piece.extras, where)
        out.unsign(piece.signature, where)
        texts.append(piece.text)
    if len(texts) > 1:
        out.lose("approximated", at, "its texts are joined, one to a line")
    return "\n".join(texts)


def limited(request: Embed, out: Crossing, most: int | None = None) -> None:
    """Refuse a request for nothing, or for more than one call may hold.

    Raises:
        Failure: UNSUPPORTED; another provider may take it.
    """
    if not request.inputs:
        raise unsupported(f"{out.dialect} needs something to embed", "inputs")
    if most is not None and len(request.inputs) > most:
        raise unsupported(f"{out.dialect} embeds at most {most} inputs at a time", f"inputs[{most}]")


def unsaid(request: Embed, out: Crossing, *names: str) -> None:
    """Declare fields lost that this dialect has no words for."""
    for name in names:
        if getattr(request, name) is not None:
            out.lose("dropped", name, f"{out.dialect} has no such field")


# --- RANKS --------------------------------------------------------------------------------------------


def ranked(values: Json, request: Rerank, dialect: str) -> tuple[Rank, ...]:
    """Read ``[{index, relevance_score, ...}]``: best first, and no more than were asked for.

    A copy of the document in a rank is quiet: the client has it.

    Raises:
        Failure: UPSTREAM; a document is missing, ranked twice or unknown, or its score is no number.
    """
    if not isinstance(values, list):
        raise malformed("the provider's answer has no results")
    ranks = []
    for place, value in enumerate(values):
        fields = Fields(value, f"$.results[{place}]")
        index, score = fields.integer("index"), fields.number("relevance_score")
        if index is None or score is None or not 0 <= index < len(request.documents):
            raise malformed(f"the provider's answer at {fields.at} ranks no document")
        quiet = {"document": fields.rest.pop("document")} if "document" in fields.rest else {}
        try:
            ranks.append(Rank(index, float(score), extras(dialect, fields.rest, (), quiet)))
        except OverflowError:  # a whole number of hundreds of digits
            raise malformed(f"the provider's answer at {fields.at} has a score beyond all numbers") from None
    if len({rank.index for rank in ranks}) < len(ranks):
        raise malformed("the provider ranked a document twice")
    wanted = min(request.top or len(request.documents), len(request.documents))
    if len(ranks) < wanted:
        raise malformed(f"the provider ranked {len(ranks)} documents, not {wanted}")
    return tuple(sorted(ranks, key=lambda rank: -rank.score)[:wanted])


# --- ITEMS --------------------------------------------------------------------------------------------


def set_apart(name: str, left: Sequence[dict[str, Json]]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return, as the rest and the quiet of the whole, what nobody took of the items of the list `name`."""
    if not any(left):
        return {}, {}
    said = dict.fromkeys(field for item in left for field, value in item.items() if value is not None)
    return {f"{name}.{field}": [item.get(field) for item in left] for field in said}, {name: list(left)}


def put_back(name: str, own: Extras, count: int) -> list[dict[str, Json]]:
    """Return what :func:`set_apart` kept of each of `count` items."""
    left = own.quiet.get(name, [])
    return [*left, *({} for _ in range(count - len(left)))]


def together(name: str, own: Extras) -> dict[str, Json]:
    """Return what was kept of the whole itself."""
    rest = {field: value for field, value in own.rest.items() if not field.startswith(f"{name}.")}
    return rest | {field: value for field, value in own.quiet.items() if field != name}
