"""Prompt templates: load, watch, fill in.

    template.py   a text with places, and what goes there; pure      files.py   the disk
    reading.py    a file's content -> templates, or where it is wrong; pure

The operator's file wins over the shipped one as a whole. It is looked at again and again, and an edit counts
within a second or so; a broken one never replaces a good one, and is complained of once. Who fills a template
in while it is being replaced gets the old one or the new one: all are swapped by one assignment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path

import msgspec

from dragoman.core.failure import Failure, Kind, Source
from dragoman.prompts import files
from dragoman.prompts.reading import read
from dragoman.prompts.template import Template, filled

__all__ = ["PromptsSpec", "Template", "Templates"]

LONGEST_ID = 100
"""Letters of an unknown id that are compared with those there are."""


class PromptsSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where prompt templates come from.

    Attributes:
        file: File of prompt templates; while there is none, those that come with Dragoman are used.
    """

    file: str = files.SHIPPED


class Templates:
    """The templates of one gateway, as they are now."""

    __slots__ = ("_complain", "_found", "_path", "_stamp")

    def __init__(self, path: Path | None, complain: Callable[[str, BaseException], None]) -> None:
        """Load the shipped templates, and the operator's over them.

        Args:
            path: The operator's file, there or not; None: there will never be one.
            complain: Told of a file that cannot be used, and why; possibly from another thread.
        """
        self._path = path
        self._complain = complain
        self._stamp: files.Stamp | None = None
        self._found: Mapping[str, Template] = read(files.shipped(), files.SHIPPED)
        self.look()

    def look(self) -> bool:
        """Load the operator's file if it has changed; say whether what is served has.

        A file that is gone leaves its templates behind until the next start: to an editor that writes
        a new file and renames it, that is a moment between two states.
        """
        if self._path is None:
            return False
        # Looked at before it is read: what is written in between is seen at the next look.
        stamp = files.stamp(self._path)
        if stamp is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._found = read(files.content(self._path, stamp), str(self._path))
        except Failure as failure:
            self._complain("the prompt templates were not loaded, the last good ones stay", failure)
            return False
        return True

    async def watching(self, every_s: float) -> None:
        """Look every `every_s` seconds, until cancelled."""
        while self._path is not None:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.look)

    def list(self) -> list[Template]:
        """Return every template, in the order of the file."""
        return list(self._found.values())

    def fill(self, template: str, values: Mapping[str, str]) -> str:
        """Return the text of a template with its variables filled in.

        Raises:
            Failure: NOT_FOUND, no template has this id; INVALID, naming every variable that is missing;
                TOO_LARGE.
        """
        found = self._found
        if template in found:
            return filled(found[template].prompt, values)
        close = get_close_matches(template[:LONGEST_ID], found, n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else "; GET /templates lists what there is"
        raise Failure(
            Kind.NOT_FOUND,
            f"no template has this id{hint}",
            source=Source.CLIENT,
            at="$.template_id",
            code="template_not_found",
        )
