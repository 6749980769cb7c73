"""A scriptable provider that speaks every built dialect, with the gateway's own codecs.

    async with Simulator(script=Script(default=Behaviour(tokens=50)), seed=7) as sim:
        ...                                   # any client at sim.url
        assert sim.journal.totals.requests == 1

For tests, benches and drills: it can do what no web framework allows (reset, stop in the middle of a
frame, send any bytes, hang), it is deterministic (same seed and same request, same bytes), and it
remembers what it was asked and how each answer ended. ``dragoman simulate`` runs it as a process, with
the same script and journal over HTTP:

    GET /_journal[?summary=1]   DELETE /_journal   GET /_script   PUT /_script   DELETE /_script

    behaviour.py    what to do with a request           script.py       which request gets which
    answers.py      a behaviour's words, as events      performance.py  events as bytes, faults included
    instances.py    instances of a JSON Schema          validity.py     whether a value is one
    journal.py      what was received, how it ended     connection.py   one socket, HTTP/1.1
    server.py       the whole
"""

from dragoman.simulator.behaviour import Behaviour, Called, Canned, Counts, Error, Fault
from dragoman.simulator.script import Match, Rule, Script
from dragoman.simulator.server import Simulator

__all__ = [
    "Behaviour",
    "Called",
    "Canned",
    "Counts",
    "Error",
    "Fault",
    "Match",
    "Rule",
    "Script",
    "Simulator",
]
