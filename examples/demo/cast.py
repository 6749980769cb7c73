"""Who there is in the demo: teams, users, keys with their habits, providers with theirs, routes and budgets.

All of it is invented, but for the models: these are real ones, and what they cost is what ships.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from dragoman.accounts.terms import LimitTerms, Terms
from dragoman.store.keys import GroupKind, Role

Rhythm = Literal["office", "always", "night"]

DAYS = 30
"""How long the month is."""

INCIDENT_PROVIDER, INCIDENT_DAYS = "anthropic", 2
"""Who had a bad hour, and how many days before the end of the month."""


class Place(msgspec.Struct, frozen=True):
    """How a provider behaves.

    Attributes:
        first_ms: Median milliseconds to its first token.
        spread: Of these, as the sigma of a lognormal distribution.
        tokens_per_s: How fast it writes.
        faults: Share of calls that fail, on a good day.
        caches: Share of a long prompt that it has in its cache.
    """

    first_ms: float
    spread: float
    tokens_per_s: float
    faults: float
    caches: float = 0.0


PLACES: Mapping[str, Place] = MappingProxyType(
    {
        "openai": Place(520, 0.35, 95, 0.012, 0.45),
        "anthropic": Place(690, 0.32, 78, 0.014, 0.55),
        "gemini": Place(410, 0.40, 150, 0.016, 0.25),
        "groq": Place(140, 0.30, 420, 0.030),
        "mistral": Place(330, 0.35, 110, 0.014, 0.15),
        "deepseek": Place(930, 0.50, 48, 0.025, 0.40),
        "cohere": Place(480, 0.35, 85, 0.012),
    }
)

ROUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "assistant": ("openai/gpt-5.4-mini", "anthropic/claude-haiku-5-5"),
        "careful": ("anthropic/claude-opus-5-5", "openai/gpt-6.1-terra"),
        "quick": ("groq/llama-3.3-70b-versatile", "gemini/gemini-3.5-flash-lite"),
    }
)
"""The month's targets of each route; the configuration adds simulated ones, which alone can be called."""

THINKING = frozenset({"gpt-6.1-terra", "claude-opus-5-5", "gemini-3.8-flash", "deepseek-flash"})
"""Models that think before they answer."""


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """One key and its habits.

    Attributes:
        name: The key's.
        asks: Names of models, or of routes, with their weights.
        share: Of all requests, in thousandths.
        stream: Share of requests that ask for a stream.
        read: Median tokens of a prompt.
        wrote: Median tokens of an answer.
        recorded: Share of requests that a recording answers.
        rating: Mean rating of its answers; 0: nobody rates them.
        made: Days before the end that it was made.
        until: Days before the end of its last request.
        hurry: Share of streams whose client leaves before the end.
    """

    name: str
    team: str = ""
    user: str = ""
    role: Role = "member"
    dialect: str = "openai_chat"
    asks: tuple[tuple[str, float], ...] = ()
    share: int = 0
    rhythm: Rhythm = "office"
    stream: float = 0.5
    read: int = 600
    wrote: int = 200
    recorded: float = 0.0
    rating: float = 0.0
    made: float = 31.0
    until: float = 0.0
    hurry: float = 0.02
    terms: Terms = Terms()


GROUPS: tuple[tuple[GroupKind, str, Terms], ...] = (
    ("team", "support", Terms(description="answers customers", labels={"cost-centre": "4100"})),
    ("team", "search", Terms(description="finds things", labels={"cost-centre": "4200"})),
    ("team", "platform", Terms(description="keeps it running", limits=LimitTerms(parallel=64))),
    ("team", "research", Terms(description="tries things out", limits=LimitTerms(requests_per_minute=120))),
    *(
        ("user", name, Terms())
        for name in (
            *("support-lead", "night-operator", "search-lead", "docs-editor"),
            *("release-captain", "analyst", "prototype-desk", "data-steward"),
        )
    ),
)

DESKS = (
    Desk(
        name="support-bot",
        team="support",
        user="support-lead",
        asks=(("assistant", 1),),
        share=230,
        rhythm="always",
        stream=0.9,
        read=1400,
        wrote=180,
        recorded=0.14,
        rating=4.3,
        hurry=0.04,
        terms=Terms(description="the chat on the help page", routes=("assistant", "quick")),
    ),
    Desk(
        name="support-triage",
        team="support",
        user="support-lead",
        dialect="anthropic",
        asks=(("claude-haiku-5-5", 3), ("claude-sonnet-5-5", 1)),
        share=95,
        rhythm="always",
        stream=0.1,
        read=900,
        wrote=70,
        rating=4.0,
    ),
    Desk(
        name="ticket-summaries",
        team="support",
        user="night-operator",
        dialect="openai_responses",
        asks=(("quick", 1),),
        share=60,
        rhythm="night",
        stream=0.0,
        read=3800,
        wrote=260,
    ),
    Desk(
        name="search-backend",
        team="search",
        user="search-lead",
        dialect="gemini",
        asks=(("gemini-3.8-flash", 2), ("gemini-3.5-flash-lite", 3)),
        share=180,
        rhythm="always",
        stream=0.05,
        read=520,
        wrote=60,
        recorded=0.08,
        terms=Terms(description="reranks by asking", limits=LimitTerms(requests_per_minute=600)),
    ),
    Desk(
        name="query-rewriter",
        team="search",
        user="search-lead",
        asks=(("groq/llama-3.3-70b-versatile", 2), ("groq/openai/gpt-oss-120b", 1)),
        share=130,
        rhythm="always",
        stream=0.0,
        read=240,
        wrote=35,
    ),
    Desk(
        name="docs-assistant",
        team="search",
        user="docs-editor",
        dialect="ollama",
        asks=(("assistant", 3), ("mistral/mistral-large-4-0", 1)),
        share=50,
        rhythm="always",
        stream=0.95,
        read=1100,
        wrote=340,
        recorded=0.1,
        rating=4.5,
        hurry=0.06,
        terms=Terms(description="words of this key are logged: it is there to be looked at", text=True),
    ),
    Desk(
        name="nightly-batch",
        team="platform",
        user="night-operator",
        asks=(("mistral-small-2603", 3), ("gpt-4.1-mini", 1)),
        share=100,
        rhythm="night",
        stream=0.0,
        read=2600,
        wrote=420,
        terms=Terms(limits=LimitTerms(requests_per_minute=60, tokens_per_day=20_000_000)),
    ),
    Desk(
        name="code-review",
        team="platform",
        user="release-captain",
        dialect="anthropic",
        asks=(("careful", 4), ("claude-sonnet-5-5", 1)),
        share=55,
        stream=0.8,
        read=9000,
        wrote=900,
        rating=4.1,
        hurry=0.05,
    ),
    Desk(
        name="release-notes",
        team="platform",
        user="release-captain",
        dialect="openai_responses",
        asks=(("gpt-5.4-mini", 1),),
        share=20,
        stream=0.6,
        read=5200,
        wrote=700,
        rating=3.9,
    ),
    Desk(
        name="incident-scribe",
        team="platform",
        user="night-operator",
        dialect="cohere",
        asks=(("command-a-plus-05-2026", 1),),
        share=20,
        rhythm="always",
        read=1800,
        wrote=300,
        made=14.0,
    ),
    Desk(
        name="market-digest",
        team="research",
        user="analyst",
        dialect="gemini",
        asks=(("deepseek-flash", 3), ("gemini-3.8-flash", 1)),
        share=25,
        stream=0.4,
        read=6400,
        wrote=800,
        rating=3.6,
    ),
    Desk(
        name="prototype-lab",
        team="research",
        user="prototype-desk",
        asks=(("gpt-6.1-terra", 2), ("claude-sonnet-5-5", 1), ("deepseek-flash", 1)),
        share=30,
        stream=0.7,
        read=1500,
        wrote=500,
        rating=3.8,
        hurry=0.08,
        terms=Terms(description="until its money is spent", limits=LimitTerms(parallel=4)),
    ),
    Desk(
        name="translation-trial",
        team="research",
        user="data-steward",
        asks=(("mistral-small-2603", 1), ("gpt-4.1-mini", 1)),
        share=25,
        stream=0.2,
        read=700,
        wrote=650,
        until=5.0,
    ),
    Desk(
        name="old-crawler",
        team="search",
        user="data-steward",
        asks=(("groq/llama-3.3-70b-versatile", 1),),
        share=25,
        rhythm="always",
        stream=0.0,
        read=1300,
        wrote=90,
        until=8.0,
        terms=Terms(description="its secret was in a public repository"),
    ),
    Desk(name="finance-reader", role="reader", terms=Terms(description="looks at what is spent")),
)

ROTATED, REVOKED, EXPIRED = "release-notes", "old-crawler", "translation-trial"

LIVE = ("support-bot", "search-backend", "docs-assistant", "query-rewriter", "code-review", "release-notes")
"""Keys that go on asking while the demo runs."""

SPENT_OUT = "prototype-lab"
"""The key whose budget is used up."""

BOUND = frozenset({"support-bot", "support-triage", "ticket-summaries", SPENT_OUT})
"""Keys under a hard budget: what they ask must have a price."""

LOSSES: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "openai_chat": {
            "anthropic": ("dropped:frequency_penalty", "dropped:seed", "emulated:format", "dropped:metadata"),
            "gemini": ("dropped:logit_bias", "dropped:user", "dropped:parallel_tools"),
            "groq": ("dropped:logprobs", "dropped:reasoning"),
            "mistral": ("dropped:user", "clamped:reasoning.effort"),
            "openai": ("dropped:temperature", "clamped:max_output"),
            "deepseek": ("dropped:temperature",),
        },
        "anthropic": {"openai": ("approximated:reasoning.budget", "dropped:top_k")},
        "openai_responses": {
            "groq": ("dropped:truncation", "dropped:reasoning"),
            "gemini": ("dropped:truncation", "dropped:text"),
            "openai": ("dropped:reasoning.show",),
        },
        "gemini": {
            "deepseek": ("dropped:safetySettings", "approximated:reasoning.budget", "dropped:top_k"),
            "gemini": ("dropped:top_k",),
        },
        "cohere": {"cohere": ()},
        "ollama": {
            "openai": ("dropped:keep_alive", "dropped:options", "dropped:top_k"),
            "anthropic": ("dropped:keep_alive", "dropped:options"),
            "mistral": ("dropped:keep_alive", "dropped:top_k"),
        },
    }
)
"""What a client's dialect loses at a provider: the words of real crossings between just these."""

WORDS = (
    (
        "How do I invite somebody to my workspace?",
        "Open Settings, then Members, and choose Invite. They get a mail that is valid for a week.",
    ),
    (
        "What is the difference between a route and an alias?",
        "A route has several targets that are tried in order; an alias is another name for just one.",
    ),
    (
        "Summarise the release notes of last week in two sentences.",
        "Reports can be filtered by team and sent as CSV. Two faults in the import of archives are mended.",
    ),
    (
        "Why does my export stop after ten thousand rows?",
        "Exports are paged: ask for the next page with the cursor in the last line, until there is none.",
    ),
    (
        "Write a friendly reminder that the survey ends on Friday.",
        "A small reminder: our survey closes on Friday. It takes three minutes, and every answer counts.",
    ),
    (
        "Which time zone do budgets use?",
        "The one each budget names; UTC where it names none. A day begins at that zone's midnight.",
    ),
    (
        "<b>Is markup shown as text?</b>",
        "Yes: <script>alert('words')</script> is only words here, and nothing runs.",
    ),
)
"""What is asked and answered where words are logged."""

FEEDBACK = MappingProxyType(
    {
        1: ("answered another question", "made up a setting that does not exist"),
        2: ("too long", "missed half of the question"),
        3: ("fine, but slow", "right in the end"),
        4: ("good", "helped"),
        5: ("exactly what I needed", "clear and short"),
    }
)
