"""The drills of ``make faults``: real gateways, real databases, a simulated provider, and what went wrong.

plan.py      how large a run is, and what it draws from
ask.py       a raw client: what was asked, what was heard
ground.py    gateways as an operator runs them, and the provider they all ask
probe.py     a gateway that tells how many tasks and open files it has
purses.py    budgets, put into a store
servers.py   PostgreSQL and Redis, started, stopped and killed
books.py     the ledger, read past the gateway's own code
history.py   what was asked, what the provider saw and what was booked, held against each other
figures.py   what was measured, and what it has to be
crash.py, purse.py, outage.py, leaving.py, drain.py, fallback.py, canary.py, soak.py    the drills
"""
