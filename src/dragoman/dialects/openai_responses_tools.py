"""The tools of the Responses API: functions, free text, and namespaces of them; in both directions.

    {type: "function", name, parameters, strict, description}      {type: "custom", name, format, description}
    {type: "namespace", name, description, tools: [function | custom]}

Read 2026-11-21: https://developers.openai.com/api/docs/guides/function-calling#defining-namespaces,
https://developers.openai.com/api/docs/guides/tools-tool-search; the types of the Python SDK 3.52
(``namespace_tool``, ``response_function_tool_call``). Every other tool is the provider's own: Opaque.

A namespace holds the client's own tools, and a call of one says so in two fields: ``{name: "spawn_agent",
namespace: "agents"}``. No other protocol has such, so in the core they are tools like any other, each under
one name (``agents__spawn_agent``, :func:`full_name`). What the wire said of a tool is quiet["namespace"]:

    {place, name, rest, others, own}     its place among the wire's tools, its name, its other fields, what
                                         is not carried (by place), and the tool's own name and words

so consecutive tools of one place are one namespace again at home. What the model is told of the namespace
stands abroad before the words of its first tool. A call of such a tool gets its two fields back on the way
to the client (:func:`natives`), who has never heard of the one name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from dragoman.core.extras import Extras, Json, at_home, extras
from dragoman.core.failure import unsupported
from dragoman.core.request import Opaque, Tool
from dragoman.dialects.border import Crossing, is_safe
from dragoman.dialects.fields import Fields
from dragoman.dialects.openai_responses_parts import NAME, full_name, marked, own_data
from dragoman.dialects.openai_terms import strictly

NAMESPACE = "namespace"
GROUP = "namespace."
"""Begins, in the rest of its first tool, what a namespace has and only this protocol knows."""

Offered = tuple[Tool | Opaque, ...]

# --- IN -----------------------------------------------------------------------------------------------


def read_tools(values: Sequence[Json], at: str) -> Offered:
    """Read a client's tools, those of a namespace one by one."""
    tools: list[Tool | Opaque] = []
    for place, value in enumerate(values):
        where = f"{at}[{place}]"
        fields = Fields(value, where, strict=True)
        if fields.need_text("type") == NAMESPACE:
            tools += _read_namespace(fields, place, value)
        else:
            tools.append(read_tool(value, where))
    return _distinct(tools)


def read_tool(value: Json, at: str) -> Tool | Opaque:
    """Read a client's tool; one that the provider hosts itself is Opaque."""
    fields = Fields(value, at, strict=True)
    kind = fields.need_text("type")
    if kind not in ("function", "custom"):
        return Opaque(NAME, kind, value)
    name, description = fields.need_text("name"), fields.text("description")
    if kind == "custom":
        grammar = fields.object("format")
        kept = extras(NAME, fields.rest)
        return Tool(name, description, custom=True, grammar=grammar and nested(grammar.rest), extras=kept)
    schema, strict = fields.object("parameters"), fields.flag("strict")
    return Tool(name, description, schema and schema.rest, strict, extras=extras(NAME, fields.rest))


def _read_namespace(fields: Fields, place: int, value: Json) -> list[Tool | Opaque]:
    """Read a namespace into its tools; one that holds none of the client's is Opaque."""
    name, members = fields.need_text("name"), fields.need_array("tools")
    at = fields.path("tools")
    tools: list[Tool] = []
    others: dict[str, Json] = {}
    for index, member in enumerate(members):
        tool = read_tool(member, f"{at}[{index}]")
        if isinstance(tool, Tool) and not _has_grammar(tool):
            tools.append(tool)
        else:
            others[str(index)] = member
    about = fields.text("description")
    told = {f"{GROUP}{field}": given for field, given in fields.rest.items()}
    told |= {f"{GROUP}tools[{index}]": member for index, member in others.items()}
    said = {} if about is None else {"description": about}
    group = {"place": place, "name": name, "rest": {**fields.rest, **said}, "others": others}
    read = [_member(tool, group) for tool in tools]
    if not read:
        return [Opaque(NAME, NAMESPACE, value)]
    return [_first(read[0], about, told), *read[1:]]


def _has_grammar(tool: Tool) -> bool:
    """Whether a free-text tool is held to a grammar: better left out than a refusal of all others."""
    return isinstance(tool.grammar, dict) and tool.grammar.get("type") == "grammar"


def _member(tool: Tool, group: Mapping[str, Json]) -> Tool:
    """Return a tool of a namespace as others see it."""
    own = {"name": tool.name, "description": tool.description}
    kept = at_home(tool.extras, NAME)
    more = Extras(NAME, kept.rest, kept.form, {**kept.quiet, NAMESPACE: {**group, "own": own}})
    return msgspec.structs.replace(tool, name=full_name(group["name"], tool.name), extras=more)


def _first(tool: Tool, about: str | None, told: Mapping[str, Json]) -> Tool:
    """Return the first tool of a namespace, with what the model is told of that, and its unknown fields."""
    kept = at_home(tool.extras, NAME)
    words = tool.description
    if about:
        head = f"{kept.quiet[NAMESPACE]['name']}: {about}"
        words = f"{head}\n\n{words}" if words else head
    more = Extras(NAME, {**kept.rest, **told}, kept.form, kept.quiet)
    return msgspec.structs.replace(tool, description=words, extras=more)


def _distinct(tools: Sequence[Tool | Opaque]) -> Offered:
    """Return `tools` with those of namespaces renamed that have another's name."""
    known: dict[str, tuple[str, str] | None] = {
        tool.name: None for tool in tools if isinstance(tool, Tool) and _pair(tool) is None
    }
    named: list[Tool | Opaque] = []
    for tool in tools:
        if isinstance(tool, Tool) and (pair := _pair(tool)) is not None:
            name = tool.name
            while known.setdefault(name, pair) != pair:
                name = marked(f"{name}.{pair[0]}")
            named.append(msgspec.structs.replace(tool, name=name))
        else:
            named.append(tool)
    return tuple(named)


def _group(tool: Tool | Opaque) -> dict[str, Json] | None:
    """Return what is kept of the namespace a tool is of."""
    found = at_home(tool.extras, NAME).quiet.get(NAMESPACE) if isinstance(tool, Tool) else None
    return found if isinstance(found, dict) else None


def _pair(tool: Tool | Opaque) -> tuple[str, str] | None:
    """Return the namespace of a tool and its name there."""
    group = _group(tool)
    return None if group is None else (group["name"], group["own"]["name"])


def _namespaced(tools: Sequence[Tool | Opaque]) -> Iterator[tuple[tuple[str, str], str]]:
    for tool in tools:
        if isinstance(tool, Tool) and (pair := _pair(tool)) is not None:
            yield pair, tool.name


def full_names(tools: Sequence[Tool | Opaque]) -> Mapping[tuple[str, str], str]:
    """Return what the tools of namespaces are called outside, by namespace and name."""
    return MappingProxyType(dict(_namespaced(tools)))


def natives(tools: Sequence[Tool | Opaque]) -> Mapping[str, Mapping[str, Json]]:
    """Return the fields in which a call names a tool of a namespace, by what it is called outside."""
    return MappingProxyType(
        {name: {"name": own, NAMESPACE: space} for (space, own), name in _namespaced(tools)}
    )


def called(entry: Mapping[str, Json], tools: Sequence[Tool | Opaque]) -> list[str]:
    """Return the names of the tools that an entry of a choice means: one, or a whole namespace's.

    No page says how a choice names a tool of a namespace; as calls do, by its bare name if only one
    namespace has it, or by the namespace.
    """
    name, space = entry.get("name"), entry.get(NAMESPACE)
    if not isinstance(name, str):
        return []
    known = full_names(tools)
    if entry.get("type") == NAMESPACE:
        return [full for (within, _), full in known.items() if within == name]
    if isinstance(space, str) and space:
        return [known.get((space, name)) or full_name(space, name)]
    if not any(isinstance(tool, Tool) and tool.name == name for tool in tools):
        within = [full for (_, own), full in known.items() if own == name]
        name = within[0] if len(within) == 1 else name
    return [name]


# --- OUT ----------------------------------------------------------------------------------------------


def write_tools(tools: Sequence[Tool | Opaque], out: Crossing) -> list[Json]:
    """Write the tools; consecutive ones of one namespace are in it again."""
    written: list[Json] = []
    going: dict[str, Json] | None = None  # the namespace before
    members: list[Json] = []
    for index, tool in enumerate(tools):
        block, group = write_tool(tool, f"tools[{index}]", out), _group(tool)
        if group is None:
            written.append(block)
        else:
            if going is None or going["place"] != group["place"]:
                members = []
                written.append({"type": NAMESPACE, "name": group["name"], **group["rest"], "tools": members})
                _restore(members, group["others"])
            members.append(_own_block(block, group["own"]))
            _restore(members, group["others"])
        going = group
    return written


def _own_block(block: Mapping[str, Json], own: Mapping[str, Json]) -> dict[str, Json]:
    """Return a tool as its namespace has it."""
    kept = {name: value for name, value in block.items() if not name.startswith(GROUP)}
    if own["description"] is None and kept.get("description") is not None:
        del kept["description"]
    return {**kept, **{name: value for name, value in own.items() if value is not None}}


def _restore(members: list[Json], others: Mapping[str, Json]) -> None:
    """Put what is not the client's tool back where it stood, once those before it are there."""
    while (other := others.get(str(len(members)))) is not None:
        members.append(other)


def write_tool(tool: Tool | Opaque, at: str, out: Crossing) -> dict[str, Json]:
    """Write one tool. A schema of another dialect is not strict, unless it was and can be."""
    if isinstance(tool, Opaque):
        return own_data(tool, at)
    own = out.own(tool.extras, at)
    if not out.home and not is_safe(tool.name):
        raise unsupported(f"a tool's name is letters, digits, - and _ here, not {tool.name!r}", f"{at}.name")
    if tool.cache_ttl_s is not None:
        out.lose("dropped", f"{at}.cache_ttl_s", "a tool takes no cache breakpoint here")
    if tool.custom:
        given = {"format": flat(tool.grammar)}
    elif out.home:
        given = {"parameters": tool.schema, "strict": tool.strict}
    else:
        # Left out, both the schema would be missed and strictness assumed.
        schema = tool.schema or {"type": "object", "properties": {}}
        given = {"parameters": schema, "strict": bool(strictly(schema, at, out, strict=tool.strict))}
    given["description"] = tool.description
    block = {"type": "custom" if tool.custom else "function", "name": tool.name}
    return {**block, **{name: value for name, value in given.items() if value is not None}, **own.rest}


# --- GRAMMARS -----------------------------------------------------------------------------------------


def nested(grammar: Mapping[str, Json]) -> dict[str, Json]:
    """Return a grammar as Chat Completions spells it, which is how the core holds it."""
    if grammar.get("type") != "grammar":
        return dict(grammar)
    return {"type": "grammar", "grammar": {n: value for n, value in grammar.items() if n != "type"}}


def flat(grammar: Json) -> Json:
    """Return a grammar of the core as it is spelt here."""
    match grammar:
        case {"type": "grammar", "grammar": dict(inner)}:
            return {**inner, "type": "grammar"}
    return grammar
