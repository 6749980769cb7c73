"""Settings by section: which there are, what each takes, and how one is read.

A section is a frozen struct; the layers below declare theirs, and the two that belong to nobody below
are here. A field's type and constraints say what is accepted, its line under ``Attributes:`` what it
means: the reference in the docs is made of the same two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
from msgspec import inspect

from dragoman.accounts.grants import RelaySpec
from dragoman.accounts.limits import LimitSpec
from dragoman.accounts.retention import RetentionSpec
from dragoman.cache import CacheSpec
from dragoman.config.sources import Found, Sources
from dragoman.prompts import PromptsSpec
from dragoman.providers.local import LocalSpec
from dragoman.providers.media import MediaSpec
from dragoman.providers.prices import PriceSpec
from dragoman.providers.transport import Deadlines
from dragoman.routing import FallbackSpec
from dragoman.sinks.files import FilesSpec
from dragoman.sinks.influx import InfluxSpec
from dragoman.sinks.otlp import OtlpSpec
from dragoman.sinks.prometheus import MetricsSpec
from dragoman.sinks.webhook import WebhookSpec
from dragoman.store.spec import RedisSpec, ResponsesSpec, StoreSpec

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Spec = TypeVar("Spec", bound=msgspec.Struct)


class GeneralSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands at the top of the file, before any section.

    Attributes:
        data: Folder of the ledger and of everything else that is kept.
        environment: What this installation is called; health pages show it.
        pepper: Secret that stored keys are hashed with; without one a file in the data folder holds it.
        simulator_url: Address of a running simulator; makes a provider `sim-DIALECT` of each dialect.
    """

    data: str = "data"
    environment: str = "development"
    pepper: str = ""
    simulator_url: str = ""


class ServerSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How clients are listened to.

    Attributes:
        host: Address to listen on; one that other machines can reach asks for a key.
        port: Port to listen on; 0 takes a free one.
        workers: Serving processes.
        max_body: Bytes a request's body may have.
        header_timeout_s: Seconds a request's head may take to arrive.
        body_timeout_s: Seconds a request's body may take to arrive.
        keepalive_s: Seconds after which an idle stream is sent a sign of life.
        idle_connection_s: Seconds a connection without a request is kept.
        drain_s: Seconds that answers under way are given to end when the server stops.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    max_body: Annotated[int, msgspec.Meta(ge=1024)] = 32 * 1024 * 1024
    header_timeout_s: Seconds = 10.0
    body_timeout_s: Seconds = 30.0
    keepalive_s: Seconds = 15.0
    idle_connection_s: Seconds = 75.0
    drain_s: Annotated[float, msgspec.Meta(ge=0)] = 30.0


SECTIONS: Mapping[str, type[msgspec.Struct]] = MappingProxyType(
    {
        "": GeneralSpec,
        "server": ServerSpec,
        "deadlines": Deadlines,
        "relay": RelaySpec,
        "fallback": FallbackSpec,
        "limits": LimitSpec,
        "prices": PriceSpec,
        "cache": CacheSpec,
        "prompts": PromptsSpec,
        "files": FilesSpec,
        "influx": InfluxSpec,
        "webhook": WebhookSpec,
        "metrics": MetricsSpec,
        "otlp": OtlpSpec,
        "store": StoreSpec,
        "retention": RetentionSpec,
        "redis": RedisSpec,
        "responses": ResponsesSpec,
        "local": LocalSpec,
        "media": MediaSpec,
    }
)
"""Every section by name; the nameless one stands at the top of the file."""

TABLES = (
    "keys", "budgets", "model_limits", "provider_limits",
    "dialects", "providers", "models", "routes", "aliases",
)  # fmt: skip
"""Tables whose entries the operator names."""

SHORT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "DRAGOMAN_SERVER_HOST": ("HOST",),
        "DRAGOMAN_SERVER_PORT": ("PORT",),
        "DRAGOMAN_LIMITS_REQUESTS_PER_MINUTE": ("MAX_REQUESTS_PER_MINUTE",),
        "DRAGOMAN_INFLUX_URL": ("INFLUXDB_URL",),
        "DRAGOMAN_INFLUX_TOKEN": ("INFLUXDB_TOKEN",),
        "DRAGOMAN_INFLUX_ORG": ("INFLUXDB_ORG",),
        "DRAGOMAN_INFLUX_BUCKET": ("INFLUXDB_BUCKET",),
        "DRAGOMAN_INFLUX_DB": ("INFLUXDB_DB",),
        "DRAGOMAN_INFLUX_USER": ("INFLUXDB_USER",),
        "DRAGOMAN_INFLUX_PASSWORD": ("INFLUXDB_PASSWORD",),
    }
)
"""Other names a setting's variable has."""

LOCAL_URL, LOCAL_KEY = "DRAGOMAN_LOCAL_URL", "DRAGOMAN_LOCAL_KEY"
"""Where a parent process tells its workers of the embedded model that it runs for them."""


def variable(section: str, name: str = "") -> str:
    """Return the environment name of a setting, a section or a table."""
    return "_".join(filter(None, ("DRAGOMAN", section, name))).upper()


def path(section: str, name: str) -> str:
    """Return a setting's dotted name, as in the file."""
    return f"{section}.{name}" if section else name


def find(sources: Sources, section: str, name: str) -> Found | None:
    """Return what was configured for a setting, and where."""
    long = variable(section, name)
    return sources.setting((section, name) if section else (name,), long, *SHORT.get(long, ()))


def read(sources: Sources, section: str, spec: type[Spec]) -> Spec:
    """Return a section's settings; of a wrong one the problem is noted and the default taken."""
    given: dict[str, Any] = {}
    for name, kind in get_type_hints(spec, include_extras=True).items():
        found = find(sources, section, name)
        if found is None:
            continue
        try:
            value = msgspec.convert(_listed(found, kind), kind, strict=not found.text)
        except msgspec.ValidationError:
            value = None
        if value is None or _absurd(name, value):
            sources.refuse(found.where, f"{path(section, name)} must be {wanted(kind)}")
        else:
            given[name] = value
    return spec(**given)


def refuse_unknown(sources: Sources) -> None:
    """Note every key of the file, and every variable of a section, that no setting has."""
    top = (*GeneralSpec.__struct_fields__, *filter(None, SECTIONS), *TABLES)
    for name, value in sources.tree.items():
        if name not in top:
            sources.refuse_unknown((name,), name, "setting", top)
        elif name in (*SECTIONS, *TABLES) and not isinstance(value, Mapping):
            sources.refuse(sources.where((name,)), f"{name} must be a table", f"write [{name}]")
        elif name in SECTIONS:
            known = SECTIONS[name].__struct_fields__
            for field in value:
                if field not in known:
                    sources.refuse_unknown((name, field), field, f"setting of [{name}]", known)
    _refuse_variables(sources)


def wanted(kind: Any) -> str:
    """Return in words what a setting of this type takes."""
    found = inspect.type_info(kind)
    types = found.types if isinstance(found, inspect.UnionType) else (found,)
    return " or ".join(_words(one) for one in types if not isinstance(one, inspect.NoneType))


def _listed(found: Found, kind: Any) -> Any:
    """Return what was configured; a variable says a list with commas."""
    wants_list = isinstance(inspect.type_info(kind), inspect.VarTupleType)
    if not found.text or not wants_list:
        return found.value
    return [word for piece in found.value.split(",") if (word := piece.strip())]


def _refuse_variables(sources: Sources) -> None:
    known = [variable(section, name) for section in SECTIONS for name in SECTIONS[section].__struct_fields__]
    # Only what begins like a section's: a cluster sets DRAGOMAN_PORT_8080_TCP and the like by itself.
    begins = tuple(f"{variable(section)}_" for section in SECTIONS if section)
    for name, found in sources.variables.items():
        if name.startswith(begins) and name not in (*known, LOCAL_URL, LOCAL_KEY):
            sources.refuse_unknown(found.where, name, "variable", known)


def _absurd(name: str, value: object) -> bool:
    """Say whether a number means nothing: TOML has nan and inf, and no duration or price is negative."""
    if not isinstance(value, float | Decimal):
        return False
    return not math.isfinite(value) or (value < 0 and (name.endswith("_s") or isinstance(value, Decimal)))


def _words(kind: inspect.Type) -> str:
    match kind:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            word = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
            bounds = (("from", kind.ge), ("above", kind.gt), ("to", kind.le), ("below", kind.lt))
            return " ".join([word, *(f"{side} {bound:g}" for side, bound in bounds if bound is not None)])
        case inspect.LiteralType(values):
            return " or ".join(f'"{value}"' for value in values)
        case inspect.VarTupleType() | inspect.ListType():
            return "a list"
        case inspect.StrType():
            return "text"
        case inspect.DecimalType():
            return "a number"
        case _:
            return "a table"
