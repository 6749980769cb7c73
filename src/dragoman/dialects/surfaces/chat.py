"""Whose request a ``POST /chat`` is: the body's fields say it.

Two of the protocols Dragoman answers to grew on the same path. ``message`` or ``chat_model_name`` is the
message surface's; ``prompt``, ``template_id`` or ``template`` the prompt surface's. A body of neither, or of
both, is refused in words that name the two forms, and in the shape that is common to both.
"""

from __future__ import annotations

from dragoman.dialects import Call, Desk, Door, Endpoint, Surface
from dragoman.dialects.surfaces import message, prompt
from dragoman.dialects.surfaces.refusal import write_refusal


class Chat:
    """The two surfaces of ``/chat``."""

    name = "chat"
    endpoints: tuple[Endpoint, ...] = prompt.SURFACE.endpoints
    write_failure = staticmethod(write_refusal)

    def door(self, call: Call, desk: Desk) -> Door:
        """Return the door of the body's surface; the prompt surface's refuses what is unclear."""
        body = call.body if isinstance(call.body, dict) else {}
        says = {name for name, value in body.items() if value is not None}
        is_message = not says.isdisjoint(message.OWN) and says.isdisjoint(prompt.OWN)
        chosen: Surface = message.SURFACE if is_message else prompt.SURFACE
        return chosen.door(call, desk)


SURFACE: Surface = Chat()
