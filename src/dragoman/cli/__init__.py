"""The command line: one file per command, imported only when it is chosen.

A command's module has two functions:

    options(parser)              add its arguments to its parser
    run(arguments, environ)      do it; return the exit code

Exit codes: 0 it was done; 1 what was asked did not succeed; 2 the command line or the configuration is
wrong; 130 interrupted; 141 nobody reads the output any more (`| head`): the command ends there, without a
word, as one that SIGPIPE ends. That is not 0: what `keys create` made and could not tell is lost.

A fault a person can mend is one line on stderr that says how, never a traceback: raise :class:`Trouble` for
it. Results go to stdout and everything said about them to stderr, so that a pipe gets the result alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Protocol, cast

from dragoman import __version__
from dragoman.cli.terminal import Trouble, note

COMMANDS = {
    "serve": "serve the gateway",
    "chat": "say something to a model through a running gateway",
    "models": "list the models that can be asked now, and what the others lack",
    "keys": "make, list, change, rotate and revoke keys",
    "teams": "list and change teams: what their keys may do together",
    "users": "list and change users: what their keys may do together",
    "budget": "list, set and remove budgets: what may be spent, and what is",
    "prices": "list prices, set your own, and price history anew",
    "usage": "tell what was asked, what it cost and how fast it was",
    "report": "write a report of a day, week or month, for mailing",
    "reconcile": "compare a provider's bill with the ledger",
    "logs": "tell the requests, the newest last, and follow them",
    "top": "show what is under way, how fast and at what cost",
    "audit": "tell who changed keys, budgets and prices",
    "config": "check the configuration",
    "archive": "write old requests to files, and delete them",
    "doctor": "look at everything a gateway needs, and say what to do",
    "simulate": "serve a scriptable provider, for tests and trials",
}

EPILOG = """\
examples:
  dragoman serve
  dragoman chat local/smollm2-135m "Who was Marco Polo?"
  dragoman doctor

Configuration comes from dragoman.toml, .env and the environment; docs/configuration.md lists every setting.
"""


UNREAD = 141
"""The exit code where whoever read the output has left: what a shell says of SIGPIPE, 128 + 13."""


class Command(Protocol):
    """What a command's module has."""

    def options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments to its parser."""

    def run(self, arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
        """Do it; return the exit code."""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command, to the last byte it says; return the process's exit code."""
    try:
        code = _run(argv, environ)
    except BrokenPipeError:
        code = UNREAD
    return _flushed() or code


def _run(argv: Sequence[str] | None, environ: Mapping[str, str] | None) -> int:
    """Run one command; return how it ended."""
    words = sys.argv[1:] if argv is None else list(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a letter is no fault
    if any(0xD800 <= ord(letter) < 0xE000 for word in words for letter in word):
        note("dragoman: an argument is no text in this terminal's encoding")
        return 2
    chosen = words[0] if words and words[0] in COMMANDS else None
    parser, commands = build([chosen] if chosen else [])
    try:
        arguments = parser.parse_args(words)
        if chosen is None:
            parser.print_help(sys.stderr)
            return 2
        return commands[chosen].run(arguments, os.environ if environ is None else environ)
    except SystemExit as stop:  # argparse has said what is wrong, or printed its help
        return stop.code if isinstance(stop.code, int) else 2
    except Trouble as trouble:
        note(f"dragoman: {trouble}")
        return trouble.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        raise
    except OSError as error:  # a folder that is none or cannot be written, a disk that is full
        note(_said(error))
        return 1


def _flushed() -> int:
    """Write what is still buffered; return 0, or the exit code where it cannot be written any more."""
    code = 0
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # the program was started without one
                stream.flush()
        except OSError as error:
            # It would be tried, and complained of, once more as the interpreter ends: let it go nowhere.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            code = UNREAD if isinstance(error, BrokenPipeError) else 1
            if stream is sys.stdout and code == 1:
                note(_said(error))
    return code


def _said(error: OSError) -> str:
    return f"dragoman: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}"


def build(names: Sequence[str]) -> tuple[argparse.ArgumentParser, dict[str, Command]]:
    """Return the parser with the options of the commands in `names`, and their modules by name."""
    listed = "\n".join(f"  {name:<10}{summary}" for name, summary in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="dragoman",
        usage="dragoman COMMAND [options]",
        description=f"One gateway in front of every model provider.\n\ncommands:\n{listed}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dragoman {__version__}")
    choices = parser.add_subparsers(prog="dragoman", dest="command", help=argparse.SUPPRESS)
    commands: dict[str, Command] = {}
    for name, summary in COMMANDS.items():
        child = choices.add_parser(
            name,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in names:
            commands[name] = cast("Command", import_module(f"dragoman.cli.{name}"))
            commands[name].options(child)
    return parser, commands
