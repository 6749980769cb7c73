"""The outside world, as data: who serves which models, where, and with what deviations.

    Provider   a row: base URL, dialect, how to sign, which quirks      catalog.toml
    Model      a row: limits, abilities, who offers it at what price    models.toml

A provider needs no Python: a table here, or in the operator's own ``dragoman.toml``. What no table can
say is a named quirk (``quirks.py``); what a model cannot do is its row's business (``fit.py``), never a
codec's ``if``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dragoman.core.request import Effort
from dragoman.core.usage import Price

Input = Literal["text", "image", "audio", "video", "document"]
Shape = Literal["json", "json_schema"]
Lack = Literal["candidates", "forced_tools", "format_with_tools", "named_tools", "prefill", "stop"]
"""What most can do and some cannot:

* ``candidates``: give several answers to one request;
* ``forced_tools``: be made to call a tool, or not to;
* ``named_tools``: be made to call one of several tools by its name;
* ``format_with_tools``: be held to a format while it has tools;
* ``prefill``: go on from words of its own that end the conversation;
* ``stop``: stop at a sequence.
"""


class Auth(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a call is signed.

    Attributes:
        scheme: ``bearer`` sends ``Authorization: Bearer KEY``; ``header`` sends KEY in `header`;
            ``none`` wants no key of its own: one configured all the same goes as bearer.
        env: Environment names that may hold the key, first found wins.
        header: Header name for scheme ``header``, lower case.
    """

    scheme: Literal["none", "bearer", "header"] = "bearer"
    env: tuple[str, ...] = ()
    header: str = ""


class Provider(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """One upstream service.

    Attributes:
        name: Its name in targets (``groq/llama-3.1-8b-instant``).
        title: Its name for people.
        dialect: The wire protocol it speaks.
        base_url: Ends in the version (``https://api.openai.com/v1``); "" while it is not known.
        base_url_env: Environment names that replace `base_url`, first found wins.
        base_url_suffix: Appended to a value from `base_url_env` that does not end in it already
            (``OLLAMA_BASE_URL=http://host:11434`` + ``/api``).
        base_url_instead: Other endings of such a value, which `base_url_suffix` takes the place of: those of
            the same server's other protocols (``http://host:11434/v1``).
        auth: How calls are signed.
        key: The credential, once configuration has found it. Never printed, never logged.
        keyless: Works without a key (a local server): ready as soon as it has a base URL of its own
            choosing.
        free: It runs on machines of the operator's own: what has no price there costs nothing, unless a key
            is configured.
        headers: Sent with every call (protocol or attribution headers, no secrets).
        quirks: Names of functions in ``quirks.py``, applied in order.
        lacks: What none of its models can do here.
        twin: The row of the same service in another dialect: its models, names and prices hold here too.
        open_models: Accepts model names that no row of models.toml lists.
        default_model: Its model where a client names only the provider, and the one that stands in for its
            others (see [fallback]).
        prefixes: What names of its own begin with: one that no row lists is asked of it.
        docs: The vendor's API page.
        notes: What an operator should know; one sentence.
    """

    name: str
    dialect: str
    base_url: str = ""
    title: str = ""
    base_url_env: tuple[str, ...] = ()
    base_url_suffix: str = ""
    base_url_instead: tuple[str, ...] = ()
    auth: Auth = Auth()
    key: str | None = None
    keyless: bool = False
    free: bool = False
    headers: dict[str, str] = {}
    quirks: tuple[str, ...] = ()
    lacks: tuple[Lack, ...] = ()
    twin: str = ""
    open_models: bool = True
    default_model: str = ""
    prefixes: tuple[str, ...] = ()
    enabled: bool = True
    docs: str = ""
    notes: str = ""

    @property
    def ready(self) -> bool:
        """Whether calls can be made: switched on, an address, and a key where one is needed."""
        return self.enabled and bool(self.base_url) and (self.keyless or self.key is not None)

    def __repr__(self) -> str:
        return f"Provider({self.name}, {self.dialect}, {self.base_url}, key={'set' if self.key else 'none'})"


class Offer(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A provider serves a model.

    Attributes:
        provider: Who.
        name: The model's name there.
        price: What it costs there; None: unknown, never zero.
        context: What it has there, where that differs from the model's row; so the rest.
        max_output: As `context`.
        efforts: As `context`.
        formats: As `context`.
    """

    provider: str
    name: str
    price: Price | None = None
    context: int | None = None
    max_output: int | None = None
    efforts: tuple[Effort, ...] | None = None
    formats: tuple[Shape, ...] | None = None


class Model(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """One model: what it can do and who offers it.

    Attributes:
        id: The bare name clients use (``claude-opus-4-8``).
        offers: Who serves it, in order of preference.
        snapshots: Dated names of the same model, served under those very names by the providers whose
            offer carries the bare one. The catalogue makes a model of each.
        context: Tokens input and output may have together; None where unknown.
        max_output: Tokens an answer may have; None where unknown.
        inputs: Kinds of content it reads.
        task: What it is for; only ``generate`` models are routed by the generation line.
        tools: It can call tools.
        formats: Structured output it can be held to.
        reasoning: How thinking is asked for: not at all, by effort level, by token budget
            (Anthropic ``enabled``, Gemini 2.5, Cohere), or adaptively (Anthropic ``adaptive``).
        budgets: It takes a token budget as well, where `reasoning` is ``adaptive``.
        budget_limits: The least and the most tokens it may be told to think; None where unknown.
        efforts: Levels it accepts; ``none`` among them: its thinking can be turned off. Empty: unknown.
        sampling: It accepts temperature, top_p, top_k and penalties.
        sampling_while_thinking: It accepts them in a request that asks it to think, too.
        system: It accepts a system message.
        lacks: What else it cannot do.
        retired: Its provider no longer serves it; kept so that the name is recognised.
    """

    id: str
    title: str = ""
    offers: tuple[Offer, ...] = ()
    snapshots: tuple[str, ...] = ()
    context: int | None = None
    max_output: int | None = None
    inputs: tuple[Input, ...] = ("text",)
    task: Literal["generate", "embed", "rerank", "moderate"] = "generate"
    tools: bool = True
    formats: tuple[Shape, ...] = ("json", "json_schema")
    reasoning: Literal["none", "effort", "budget", "adaptive"] = "none"
    budgets: bool = False
    budget_limits: tuple[int, int] | None = None
    efforts: tuple[Effort, ...] = ()
    sampling: bool = True
    sampling_while_thinking: bool = True
    system: bool = True
    lacks: tuple[Lack, ...] = ()
    retired: bool = False

    def on(self, provider: str) -> Model:
        """Return this model as `provider` serves it."""
        for offer in self.offers:
            if offer.provider == provider:
                differs = {
                    field: getattr(offer, field)
                    for field in ("context", "max_output", "efforts", "formats")
                    if getattr(offer, field) is not None
                }
                return msgspec.structs.replace(self, **differs) if differs else self
        return self
