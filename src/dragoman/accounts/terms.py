"""Terms: what a key, a team or a user may do, as it is kept and as it is configured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a key, a team, a user or a budget may be called: reports, headers and addresses have it in them."""

NAMED = "use letters, digits, dots, dashes and underscores, 64 at most, and begin with a letter or digit"

MOST = 1_000_000_000_000
"""The largest limit."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]


class LimitTerms(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How much may be asked; None: as everybody's; 0: any number.

    Attributes:
        requests_per_minute: Requests in a minute.
        requests_per_day: Requests in a day.
        tokens_per_minute: Tokens read and written in a minute.
        tokens_per_day: Tokens read and written in a day.
        parallel: Requests under way at once.
    """

    requests_per_minute: Count | None = None
    requests_per_day: Count | None = None
    tokens_per_minute: Count | None = None
    tokens_per_day: Count | None = None
    parallel: Count | None = None


class Terms(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a key, a team or a user may do.

    Attributes:
        description: What it is for, in words.
        labels: The operator's own names and values.
        models: Models it may ask, by public name or ``provider/model``; a ``*`` at the end stands for any
            end. Empty: all.
        routes: Routes and aliases it may ask, as `models`. Empty: all.
        text: Whether its prompts and answers are logged; None: as everybody's.
        limits: How much it may ask.
    """

    description: str = ""
    labels: dict[str, str] = {}
    models: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    text: bool | None = None
    limits: LimitTerms = LimitTerms()


class LimitRules(msgspec.Struct, frozen=True):
    """How much may be asked of models and providers, by everybody together.

    Attributes:
        models: By public name, or by ``provider/model`` for one target.
        providers: By the provider's name.
    """

    models: Mapping[str, LimitTerms] = {}
    providers: Mapping[str, LimitTerms] = {}
