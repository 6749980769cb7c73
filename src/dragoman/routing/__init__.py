"""Which target next; pure.

    Route    a public model name -> targets, in order         Target   provider + its name for the model
    Table    every name this gateway answers to               plan()   the order to try a route's targets

A name resolves in this order, first match wins:

1. a route or alias of the configuration;
2. ``provider/model`` of a provider we know (the model may be one no catalogue lists);
3. a bare name of the catalogue: every ready provider that offers it, in the catalogue's order;
4. a name with Ollama's default tag, ``llama3:latest``: as without it. One that a provider lists, or that is
   asked of a provider by name and may be its own, is left as it is;
5. a provider's own name: its default model;
6. a name that begins as a provider's names do (``claude-``): that provider, which may have it.

A bare name (3 to 6) of a provider that has a fallback is answered by that, and then by the others'
fallbacks, where what was asked for cannot answer. A client that names a provider gets it or nobody.

Nothing here knows sockets, keys or dialects: providers appear by name only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType

import msgspec

from dragoman.core.failure import Failure, Kind, Retry, Source, invalid

LATEST = ":latest"
"""The tag a name of Ollama's has if it has none: its clients append it (https://docs.ollama.com/api, "Model
names", read 2026-11-21)."""


LONGEST = 200
"""Letters of an unknown name that are compared with those there are: comparing is slow."""


class RouteSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A route as configured.

    Attributes:
        targets: ``provider/model``, in order of preference.
        strict: Refuse a request rather than lose any of it in translation.
    """

    targets: tuple[str, ...]
    strict: bool = False


class FallbackSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers instead, where a model asked for by its bare name cannot.

    Attributes:
        providers: Whose default models do: first that of the model's own provider, then the others', in this
            order; models of a provider that is not here have no fallback.
    """

    providers: tuple[str, ...] = ("groq", "gemini")


class Target(msgspec.Struct, frozen=True):
    """One place that may answer: a provider, and the model's name there."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


class Route(msgspec.Struct, frozen=True):
    """The targets a public name stands for, in order.

    Attributes:
        instead: Other models that may answer where none of `targets` does.
        missing: Why `targets` is empty, if it is.
    """

    name: str
    targets: tuple[Target, ...]
    strict: bool = False
    instead: tuple[Target, ...] = ()
    missing: str = ""


class Table(msgspec.Struct, frozen=True):
    """Every name one configuration answers to.

    Attributes:
        routes: Routes and aliases of the configuration.
        offers: Bare model name -> targets, ready or not, in the catalogue's order.
        kinds: Bare model name -> what it is for, where that is not to generate.
        ready: Providers that can be called now.
        waiting: Providers we know but cannot call, with what is missing in words.
        defaults: Provider -> its default model there.
        prefixes: What names of a provider's own begin with, and the provider.
        fallbacks: Providers whose default models answer instead, in order.
    """

    routes: Mapping[str, RouteSpec]
    offers: Mapping[str, tuple[Target, ...]]
    ready: frozenset[str]
    waiting: Mapping[str, str]
    kinds: Mapping[str, str] = MappingProxyType({})
    defaults: Mapping[str, str] = MappingProxyType({})
    prefixes: tuple[tuple[str, str], ...] = ()
    fallbacks: tuple[str, ...] = ()

    def resolve(self, name: str, task: str | None = "generate", *, provider: str | None = None) -> Route:
        """Return the route for a client's model name; no `task` means any. `provider`: the client's choice.

        Raises:
            Failure: NOT_FOUND, saying what is missing or which names are close; INVALID, the model is
                for another task, or nobody knows the provider.
        """
        if provider is not None:
            return self._pinned(name, provider)
        if (spec := self.routes.get(name)) is not None:
            targets = tuple(_target(text) for text in spec.targets)
            return self._usable(Route(name, targets, spec.strict))
        owner, slash, model = name.partition("/")
        if slash and model and (owner in self.ready or owner in self.waiting):
            return self._usable(Route(name, (self._meant(Target(owner, model)),)))
        if (offered := self.offers.get(name)) is not None:
            self._check(name, task)
            return self._usable(self._with_fallback(Route(name, offered), task))
        if name.endswith(LATEST) and not (bare := name.removesuffix(LATEST)).endswith(LATEST):
            return self.resolve(bare, task)
        if name in self.defaults and task in (None, "generate", "count"):
            return self._usable(self._with_fallback(Route(name, (Target(name, self.defaults[name]),)), task))
        for prefix, owner in self.prefixes:
            if name.startswith(prefix) and name not in self.defaults:
                return self._usable(self._with_fallback(Route(name, (Target(owner, name),)), task))
        close = get_close_matches(name[:LONGEST], [*self.routes, *self.offers], n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else "; GET /v1/models lists what there is"
        raise _not_found(f"no route, provider or catalogue model has the name asked for{hint}")

    def names(self) -> list[str]:
        """Return every name that can be answered now: routes first, then catalogue models."""
        routes = [name for name in self.routes if self._ready(_target(t) for t in self.routes[name].targets)]
        models = [name for name, targets in self.offers.items() if self._ready(targets)]
        return routes + [name for name in models if name not in self.routes]

    def _meant(self, target: Target) -> Target:
        """Return `target` without a tag that no provider listed, if without it one did."""
        bare = Target(target.provider, target.model.removesuffix(LATEST))
        if bare == target:
            return target
        listed = {offered for targets in self.offers.values() for offered in targets}
        return bare if bare in listed and target not in listed else target

    def _check(self, name: str, task: str | None) -> None:
        kind = self.kinds.get(name, "generate")
        if task is not None and kind != ("generate" if task == "count" else task):
            raise invalid(f"this model is there to {kind}, not to {task}", "$.model", code="wrong_task")

    def _ready(self, targets: Iterator[Target] | tuple[Target, ...]) -> list[Target]:
        return [target for target in targets if target.provider in self.ready]

    def _pinned(self, name: str, provider: str) -> Route:
        """Return the route to the one provider a client chose."""
        if provider not in self.ready:
            there = f"there are {', '.join(sorted(self.ready)) or 'none'}"
            why = self.waiting.get(provider)
            known = (
                "no provider has the name asked for"
                if why is None
                else f"{provider} cannot be called ({why})"
            )
            raise invalid(f"{known}; {there}", "$.provider", code="provider_not_available")
        offered = (target for target in self.offers.get(name, ()) if target.provider == provider)
        bare = name.removeprefix(f"{provider}/")
        bare = self.defaults.get(provider, bare) if bare == provider else bare
        return Route(name, (next(offered, None) or self._meant(Target(provider, bare)),))

    def _with_fallback(self, route: Route, task: str | None) -> Route:
        """Return `route` with who answers instead, if its first provider with a fallback has one."""
        own = next((target.provider for target in route.targets if target.provider in self.fallbacks), None)
        if own is None or task != "generate":
            return route
        order = dict.fromkeys((own, *self.fallbacks))
        instead = (
            Target(provider, self.defaults[provider]) for provider in order if provider in self.defaults
        )
        return msgspec.structs.replace(
            route, instead=tuple(target for target in instead if target not in route.targets)
        )

    def _usable(self, route: Route) -> Route:
        usable, instead = tuple(self._ready(route.targets)), tuple(self._ready(route.instead))
        if usable:
            return msgspec.structs.replace(route, targets=usable, instead=instead)
        wanting = {target.provider: self.waiting.get(target.provider, "") for target in route.targets}
        missing = "; ".join(f"{name}: {why}" if why else name for name, why in wanting.items())
        message = f"no configured provider serves this model ({missing})"
        if instead:
            return msgspec.structs.replace(route, targets=(), instead=instead, missing=message)
        raise _not_found(message)


def plan(route: Route) -> Iterator[Target]:
    """Yield the targets of `route` in the order to try them."""
    yield from route.targets
    yield from route.instead


def _target(text: str) -> Target:
    provider, _, model = text.partition("/")
    return Target(provider, model)


def _not_found(message: str) -> Failure:
    return Failure(
        Kind.NOT_FOUND,
        message,
        source=Source.CLIENT,
        retry=Retry.NEVER,
        at="$.model",
        code="model_not_found",
    )
