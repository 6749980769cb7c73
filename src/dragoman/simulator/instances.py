"""Instances of a JSON Schema: tool arguments and answers that validate, the same for the same seed.

    instance({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}, rng)

A schema is first made *plain* at its top: references are followed, ``allOf`` is merged, one branch of
``anyOf``, ``oneOf`` and ``if`` is drawn and merged. Members are made plain when they are reached, so a
recursive schema unrolls only as far as the instance does; the deeper it is, the fewer optional
members and the simpler branches are drawn. A draw can miss (``oneOf`` branches overlap, a ``not``, a
``pattern``), so each instance is checked (``validity.py``) and drawn again a bounded number of times.
What is not found in that time is refused, never approximated.
"""

from __future__ import annotations

import math
import re
from random import Random

import msgspec

from dragoman.core.extras import Json
from dragoman.simulator.validity import Unsatisfiable, conforms, same, target, tuple_items

DRAWS = 64
"""Draws before a schema is given up."""

SHALLOW = 4
"""Levels after which an instance is kept as small as the schema allows."""

DEEPEST = 40
"""Levels at which a branch is given up as endless."""

WORDS = (
    "amber",
    "basil",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbor",
    "indigo",
    "juniper",
    "lagoon",
)

FORMATS = {
    "date-time": "2026-03-{:02}T09:30:00Z",
    "date": "2026-03-{:02}",
    "time": "09:30:{:02}Z",
    "duration": "P{}D",
    "email": "person{}@example.com",
    "idn-email": "person{}@example.com",
    "hostname": "host{}.example.com",
    "idn-hostname": "host{}.example.com",
    "ipv4": "192.0.2.{}",
    "ipv6": "2001:db8::{}",
    "uri": "https://example.com/{}",
    "uri-reference": "/page/{}",
    "iri": "https://example.com/{}",
    "iri-reference": "/page/{}",
    "uri-template": "/page/{}/{{name}}",
    "uuid": "123e4567-e89b-42d3-a456-4266141740{:02}",
    "json-pointer": "/items/{}",
    "relative-json-pointer": "{}/items",
    "regex": "^item{}$",
}
"""One string of each format, with room for a number from 1 to 28."""

GUESSES = (
    "A1",
    "abc",
    "ABC",
    "a",
    "A",
    "1",
    "12",
    "123",
    "1234",
    "12345",
    "a-b",
    "a_b",
    "$1.00",
    "1.0.0",
    "",
)
"""Strings tried against a pattern: there is no search for what a pattern means."""

_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
_HINTS = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"),
    "string": ("minLength", "maxLength", "format", "pattern"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


def instance(schema: Json, rng: Random) -> Json:
    """Return a value that conforms to `schema`, drawn with `rng`.

    Raises:
        Unsatisfiable: None was found: there is none, or the schema needs a search (a rare pattern).
    """
    draw = _Draw(schema, rng)
    missed: Unsatisfiable | None = None
    for attempt in range(DRAWS):
        # The first draws are generous; later ones keep ever more to what is required.
        draw.eager = max(0.0, 0.7 - attempt / 16)
        try:
            value = draw.value(schema, 0)
            if conforms(schema, value, schema):
                return value
        except Unsatisfiable as miss:
            missed = miss
        except (TypeError, AttributeError, re.error) as error:
            raise Unsatisfiable(f"the schema is malformed: {error}") from None
    raise missed or Unsatisfiable(f"no instance of the schema was found in {DRAWS} draws")


class _Draw:
    """One document being instantiated."""

    __slots__ = ("_rng", "_root", "eager")

    def __init__(self, root: Json, rng: Random) -> None:
        self._root = root
        self._rng = rng
        self.eager = 0.0

    def value(self, schema: Json, depth: int) -> Json:
        """Return a value for `schema`, `depth` levels down."""
        if depth > DEEPEST:
            raise Unsatisfiable("the schema requires an endless value")
        plain = self._plain(schema, depth, 0)
        if "const" in plain:
            return plain["const"]
        if "enum" in plain:
            options = [option for option in plain["enum"] if _fits(plain, option)]
            if not options:
                raise Unsatisfiable("no member of an enum is allowed")
            return self._rng.choice(options)
        match self._type(plain):
            case "object":
                return self._object(plain, depth)
            case "array":
                return self._array(plain, depth)
            case "string":
                return self._string(plain)
            case "integer":
                return self._number(plain, whole=True)
            case "number":
                return self._number(plain, whole=False)
            case "boolean":
                return self._rng.random() < 0.5
            case _:
                return None

    def _plain(self, schema: Json, depth: int, hops: int) -> dict[str, Json]:
        """Return `schema` without references and choices at its top."""
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            raise Unsatisfiable("a part of the schema allows nothing")
        if hops > DEEPEST:
            raise Unsatisfiable("references in the schema go round in a circle")
        plain = {key: part for key, part in schema.items() if key not in _COMBINING}
        parts: list[Json] = []
        if "$ref" in schema:
            parts.append(target(self._root, schema["$ref"]))
        parts += schema.get("allOf", ())
        for word in ("anyOf", "oneOf"):
            if word in schema:
                parts.append(self._branch(schema[word], depth))
        if "if" in schema:
            yes = [schema["if"], schema.get("then", True)]
            parts += yes if self._rng.random() < 0.5 else [schema.get("else", True)]
        for part in parts:
            plain = merged(plain, self._plain(part, depth, hops + 1))
        return plain

    def _branch(self, branches: list[Json], depth: int) -> Json:
        """Draw a branch; deep down, one of the simplest."""
        allowed = [branch for branch in branches if branch is not False]
        if not allowed:
            raise Unsatisfiable("no branch of a choice is allowed")
        if depth > SHALLOW:
            allowed.sort(key=lambda branch: (b'"$ref"' in msgspec.json.encode(branch), len(str(branch))))
            allowed = allowed[: 1 + int(self._rng.random() < 0.2)]
        return self._rng.choice(allowed)

    def _type(self, schema: dict[str, Json]) -> str:
        types = schema.get("type")
        if types is None:
            types = next(
                (name for name, words in _HINTS.items() if any(w in schema for w in words)), "string"
            )
        if isinstance(types, str):
            return types
        if not types:
            raise Unsatisfiable("two parts of the schema want different types")
        return str(self._rng.choice(types))

    def _object(self, schema: dict[str, Json], depth: int) -> dict[str, Json]:
        properties = schema.get("properties", {})
        required = list(schema.get("required", ()))
        for name, needs in schema.get("dependentRequired", {}).items():
            required += needs if name in required else ()
        other = schema.get("additionalProperties", True)
        value: dict[str, Json] = {}
        for name in dict.fromkeys([*properties, *required]):
            part = properties.get(name, other)
            if name in required:
                value[name] = self.value(part, depth + 1)
            elif depth < SHALLOW and part is not False and self._rng.random() < self.eager:
                try:
                    value[name] = self.value(part, depth + 1)
                except Unsatisfiable:
                    continue  # an optional property that no value fits stays out
        for name in [*properties, *(f"extra_{n}" for n in range(1, 64))]:
            if len(value) >= schema.get("minProperties", 0):
                break
            if name not in value:
                value[name] = self.value(properties.get(name, other), depth + 1)
        return value

    def _array(self, schema: dict[str, Json], depth: int) -> list[Json]:
        first, rest = tuple_items(schema)
        least = schema.get("minItems", 0)
        if "contains" in schema:
            least = max(least, schema.get("minContains", 1))
        wished = self._rng.randint(1, 3) if depth < SHALLOW and self.eager else 0
        size = max(least, min(max(wished, len(first)), schema.get("maxItems", 3)))
        if rest is False:
            size = min(size, len(first))
        value: list[Json] = []
        for index in range(size):
            part = first[index] if index < len(first) else rest
            if index >= len(first) and "contains" in schema:
                part = {"allOf": [part, schema["contains"]]}
            try:
                value.append(self._another(part, value, depth, unique=schema.get("uniqueItems", False)))
            except Unsatisfiable:
                if index < least:
                    raise
                break
        return value

    def _another(self, schema: Json, others: list[Json], depth: int, *, unique: bool) -> Json:
        for _ in range(DRAWS):
            value = self.value(schema, depth + 1)
            if not unique or not any(same(value, other) for other in others):
                return value
        raise Unsatisfiable("there are too few different items")

    def _string(self, schema: dict[str, Json]) -> str:
        number = self._rng.randint(1, 28)
        if "pattern" in schema:
            return self._guess(schema, number)
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]].format(number)
        text = " ".join(self._rng.choices(WORDS, k=self._rng.randint(1, 3)))
        least = schema.get("minLength", 0)
        while len(text) < least:
            text += f" {self._rng.choice(WORDS)}"
        most = schema.get("maxLength")
        return text if most is None or len(text) <= most else text[: max(least, most)]

    def _guess(self, schema: dict[str, Json], number: int) -> str:
        guesses = [*GUESSES, *WORDS, *(form.format(number) for form in FORMATS.values())]
        guesses += [letter * size for letter in ("a", "A", "0", "f") for size in range(2, 41)]
        fitting = [guess for guess in guesses if conforms(schema, guess, self._root)]
        if not fitting:
            raise Unsatisfiable(f"no string was found for the pattern {schema['pattern']}")
        return self._rng.choice(fitting)

    def _number(self, schema: dict[str, Json], *, whole: bool) -> float:
        step = schema.get("multipleOf", 1 if whole else None)
        if whole and step is not None and not float(step).is_integer():
            step = math.lcm(*float(step).as_integer_ratio()) if step > 1 else 1
        low, high = _bounds(schema, nudge=step or 1)
        if step is None:
            return self._between(low, high, schema)
        least, most = math.ceil(low / step), math.floor(high / step)
        if least > most:
            raise Unsatisfiable("no number lies between the bounds")
        value = self._rng.randint(least, most) * step
        return int(value) if whole else value

    def _between(self, low: float, high: float, schema: dict[str, Json]) -> float:
        if low > high:
            raise Unsatisfiable("no number lies between the bounds")
        tries = (round(self._rng.uniform(low, high), 2), low, high, (low + high) / 2)
        return next((number for number in tries if _fits(schema, number)), (low + high) / 2)


_COMBINING = ("$ref", "$defs", "definitions", "allOf", "anyOf", "oneOf", "if", "then", "else")


def _bounds(schema: dict[str, Json], *, nudge: float) -> tuple[float, float]:
    """Return the least and the greatest number to draw, both allowed if `nudge` is the step."""
    low = schema.get("minimum")
    high = schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if above is not None and (low is None or above >= low):
        low = above
        # Step over the excluded bound if there is room for that.
        if below is None or above + nudge < below:
            low = above + nudge if (above / nudge).is_integer() else above
    if below is not None and (high is None or below <= high):
        high = below
        if low is None or below - nudge >= low:
            high = below - nudge if (below / nudge).is_integer() else below
    if low is None:
        low = min(1, high - 100 * nudge) if high is not None else 1
    if high is None:
        high = low + 100 * nudge
    return low, high


def _fits(schema: dict[str, Json], value: Json) -> bool:
    """Say whether a value meets the parts of `schema` that need no document."""
    own = {key: part for key, part in schema.items() if key not in ("properties", "items", "prefixItems")}
    return conforms(own, value, own)


def merged(one: dict[str, Json], other: dict[str, Json]) -> dict[str, Json]:
    """Return the plain schema that demands what both demand.

    Raises:
        Unsatisfiable: They contradict each other.
    """
    out = dict(one)
    for key, part in other.items():
        out[key] = part if key not in out else _both(key, out[key], part)
    if "properties" in one or "properties" in other:
        out["properties"] = _properties(one, other)
    return out


def _both(key: str, one: Json, other: Json) -> Json:
    if key in _LEAST:
        return max(one, other)
    if key in _MOST:
        return min(one, other)
    match key:
        case "type":
            return _types(one, other)
        case "enum":
            return [option for option in one if any(same(option, choice) for choice in other)]
        case "const":
            if not same(one, other):
                raise Unsatisfiable("two parts of the schema want different constants")
            return one
        case "required":
            return [*one, *(name for name in other if name not in one)]
        case "items" | "additionalProperties" | "propertyNames" | "contains":
            return {"allOf": [one, other]}
        case "multipleOf":
            if float(one).is_integer() and float(other).is_integer():
                return math.lcm(int(one), int(other))
            return max(one, other)
        case "uniqueItems":
            return one or other
        case _:
            return other


def _types(one: Json, other: Json) -> list[str]:
    mine, theirs = ([part] if isinstance(part, str) else part for part in (one, other))
    both = [name for name in mine if name in theirs]
    if "integer" in mine + theirs and "number" in mine + theirs and "integer" not in both:
        both.append("integer")
    return both


def _properties(one: dict[str, Json], other: dict[str, Json]) -> dict[str, Json]:
    """Merge properties; one that the other schema does not name must be allowed by it all the same."""
    mine, theirs = one.get("properties", {}), other.get("properties", {})
    out: dict[str, Json] = {}
    for name in dict.fromkeys([*mine, *theirs]):
        left = mine.get(name, one.get("additionalProperties", True))
        right = theirs.get(name, other.get("additionalProperties", True))
        out[name] = left if right is True else right if left is True else _conjunction(left, right)
    return out


def _conjunction(left: Json, right: Json) -> Json:
    return False if left is False or right is False else {"allOf": [left, right]}
