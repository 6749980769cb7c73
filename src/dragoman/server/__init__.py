"""The HTTP edge: plain ASGI on the data path, Starlette for the rest.

app.py      the one ASGI callable: data-path routes first, Starlette for everything else
client.py   a dialect's endpoint: bytes -> exchange -> bytes, and the race against a client that leaves
relay.py    paths nobody reads: bytes -> provider -> bytes
guard.py    limits on the socket that no framework has: header deadline, header size
pages.py    health and model lists
run.py      one process or several: sockets, signals, workers
"""
