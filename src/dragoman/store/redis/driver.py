"""A wire made of redis-py's connection: the only module that imports redis-py.

Only its connection is used (address, TLS, sign-in, the protocol RESP2), not its client: that one would retry,
pool and wait by rules of its own, and a request here has fifty milliseconds for all of it. Its exceptions end
here, and so do their messages, which quote commands and addresses.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, MovedError, RedisError, ResponseError

from dragoman.core.failure import Failure, Kind
from dragoman.store.redis.wire import Address, Command, Dial, Refusal, unavailable
from dragoman.store.spec import RedisSpec

WORD = re.compile(r"[A-Z]{2,20}")
KNOWN = frozenset(("host", "port", "db", "username", "password", "path", "connection_class"))
"""What an address may say. Options of the client have settings of ours, or none."""

TLS = frozenset(("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"))


def dialler(spec: RedisSpec) -> Dial:
    """Return what makes wires; raise Failure(INVALID) where the address is none."""
    try:
        address: dict[str, Any] = dict(parse_url(spec.url))
    except (ValueError, TypeError):
        address = {"?": ""}
    if extra := address.keys() - KNOWN - TLS:
        what = ", ".join(sorted(extra - {"?"}))
        why = f"; it cannot say {what}" if what else ""
        raise Failure(
            Kind.INVALID, f"redis.url is no address like redis://:password@host:6379/0{why}", at="redis.url"
        )

    # A closure, and no partial(): that one's repr would hold the password.
    def dial(elsewhere: Address | None) -> Line:
        return _line(address, elsewhere)

    return dial


def _line(address: dict[str, Any], elsewhere: Address | None) -> Line:
    settings = dict(address)
    make: type[AbstractConnection] = settings.pop("connection_class", Connection)
    if elsewhere is not None and "path" not in settings:
        settings["host"], settings["port"] = elsewhere
    return Line(
        make(
            **settings,
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
        )
    )


class Line:
    """:class:`~dragoman.store.redis.wire.Wire` over one socket. Deadlines are the caller's, by cancelling."""

    __slots__ = ("_connection",)

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    async def open(self) -> None:
        """Connect and sign in."""
        try:
            await self._connection.connect()  # type: ignore[no-untyped-call]
        except BaseException as error:  # noqa: BLE001  a border: whatever it is, no caller sees it
            self.close()
            raise _told(error) from None

    async def fresh(self) -> bool:
        """Say whether it is open and nothing lies unread in it."""
        try:
            return self._connection.is_connected and not await self._connection.can_read()
        except (RedisError, OSError):
            return False

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together; return what each was answered."""
        connection = self._connection
        try:
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            return [await self._answer() for _ in commands]
        except BaseException as error:  # noqa: BLE001  a border: whatever it is, no caller sees it
            self.close()
            raise _told(error) from None

    async def hear(self) -> Any:
        """Return the next thing that comes without being asked for."""
        try:
            return await self._answer()
        except BaseException as error:  # noqa: BLE001  a border: whatever it is, no caller sees it
            self.close()
            raise _told(error) from None

    async def nudge(self) -> None:
        """Have the other side say something."""
        try:
            await self._connection.send_command("PING", check_health=False)
        except BaseException as error:  # noqa: BLE001  a border: whatever it is, no caller sees it
            self.close()
            raise _told(error) from None

    def close(self) -> None:
        """Close the socket at once."""
        connection, writer = self._connection, self._connection._writer  # noqa: SLF001  disconnect() waits
        if writer is not None and writer.transport is not None:
            writer.transport.abort()
        connection._parser.on_disconnect()  # type: ignore[no-untyped-call]  # noqa: SLF001  as above
        connection._reader = connection._writer = None  # noqa: SLF001  as above

    async def _answer(self) -> Any:
        try:
            return await self._connection.read_response(disable_decoding=True, disconnect_on_error=False)
        except ResponseError as error:
            return _refusal(error)


def _refusal(error: ResponseError) -> Refusal:
    """Return what a server refused with, without what it quotes."""
    if isinstance(error, MovedError):
        return Refusal("MOVED", (str(error.host), int(error.port)))
    word = getattr(error, "status_code", None) or str(error).partition(" ")[0]
    return Refusal(word if WORD.fullmatch(word) else "ERR")


def _told(error: BaseException) -> BaseException:
    """Return what a caller hears of an exception: a cancellation, or a Failure in our words."""
    match error:
        case asyncio.CancelledError():
            return error
        case AuthenticationError():
            return unavailable("Redis refuses our user or password")
        case RedisError() | OSError() | TimeoutError():
            return unavailable("Redis cannot be reached")
        case Exception():
            return unavailable("Redis answered what is no RESP")
    return error
