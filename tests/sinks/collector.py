"""A collector of traces on a real socket: takes what an exporter sends, and refuses or stalls when told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What was sent, and how the next request is answered."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.came = threading.Event()
        """Something was sent."""
        self.go = threading.Event()
        """Requests are answered; until then they wait."""
        self.go.set()

    @property
    def requests(self) -> list[Any]:
        """Return what was sent, decoded."""
        return [ExportTraceServiceRequest.FromString(raw) for raw in self.raw]

    @property
    def spans(self) -> list[Any]:
        """Return every span that was sent, in order."""
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector."""
    collector = Collector()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take one request."""
            collector.paths.append(self.path)
            collector.headers.append({name.lower(): value for name, value in self.headers.items()})
            collector.raw.append(self.rfile.read(int(self.headers["content-length"])))
            collector.came.set()
            collector.go.wait(20)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    serving = threading.Thread(target=server.serve_forever, args=(0.02,))
    serving.start()
    try:
        yield collector
    finally:
        collector.go.set()
        server.shutdown()
        serving.join()
        server.server_close()


def attributes(span: Any) -> dict[str, Any]:
    """Return a span's attributes as plain values."""
    found = {}
    for one in span.attributes:
        kind = one.value.WhichOneof("value")
        value = getattr(one.value, kind)
        found[one.key] = [item.string_value for item in value.values] if kind == "array_value" else value
    return found
