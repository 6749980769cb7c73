"""Surfaces: protocols only clients speak, whose answers also tell what the gateway did.

    gateway.py   POST /v1/chat/completions, POST /v1/chat/stream
    chat.py      POST /chat, POST /chat/: prompt.py and message.py, by the body's fields
    stream.py    POST /stream

A surface is a thin codec, never a second way to an answer: it makes a door for each exchange, and the line
does the rest. Nothing here asks a provider, counts money or keeps anything; what a surface tells of such
things it asks the :class:`~dragoman.dialects.Desk`.
"""

from __future__ import annotations

from dragoman.dialects import Surface
from dragoman.dialects.surfaces import chat, gateway, stream

SURFACES: tuple[Surface, ...] = (*gateway.SURFACES, chat.SURFACE, stream.SURFACE)
"""Every surface. At its endpoints it comes before a dialect of the same path."""
