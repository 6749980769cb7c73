"""What the gateway runs with, and the prompt templates it can fill in."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from dragoman.server.openapi.operation import PAGE, Operation, Operations, Param, Tag
from dragoman.server.openapi.pages import Template

SETTINGS = Tag(
    "Settings and templates",
    "What this gateway runs with and where that was said, and its prompt templates. Both are changed in "
    "their files. Secrets are not told, only whether they are set.",
)


class SettingsFile(Struct):
    """A file that may say settings, and whether it is there."""

    path: str
    there: bool


class Settings(Struct):
    """What a gateway is and runs with.

    Attributes:
        data: Its data folder.
        store: What kind of database it keeps its rows in.
        keys: How many keys the configuration has.
        in_flight: Requests under way in this process.
        sources: The files that are read; the environment is said over them.
        sections: By section and name, each setting's `value` in words, and whether that is its `own`: not
            what it would be by itself.
    """

    version: str
    python: str
    environment: str
    data: str
    store: str
    keys: int
    in_flight: int
    sources: list[SettingsFile]
    sections: dict[str, dict[str, Any]]


class TemplateTable(Struct):
    """The templates that were asked for.

    Attributes:
        every: How many there are in all.
        file: Where the operator's own are written.
        own: Whether that file is there.
    """

    templates: list[Template]
    every: int
    file: str
    own: bool


TAGS = (SETTINGS,)
OPERATIONS: Operations = {
    "GET /admin/templates": Operation(
        tag=SETTINGS.name,
        title="Find templates",
        text="Return prompt templates, and the file the operator's own are written in.",
        tells=(TemplateTable,),
        params=(
            Param("q", "Only with these words in the id, title, prompt or tags."),
            Param("category", "Only of this category."),
        ),
        statuses=PAGE,
        words="chat",
        access="view",
        line=False,
    ),
    "GET /admin/settings": Operation(
        tag=SETTINGS.name,
        title="Show what the gateway runs with",
        text="Return every setting in words, and where it is read from; of secrets only that they are set.",
        tells=(Settings,),
        statuses=PAGE,
        words="chat",
        access="view",
        line=False,
    ),
}
