"""A Prometheus that is played, over real HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from drill.settings import PrometheusTarget


class Played:
    """What it answers: a JSON document, or bytes that are none."""

    def __init__(self, url: str) -> None:
        self.target = PrometheusTarget(url=url)
        self.answer: Any = {}
        self.status = 200
        self.asked: list[str] = []

    def has(self, *values: float | str, kind: str = "vector") -> None:
        """Let it have a series for each value."""
        result = [{"metric": {"pod": f"p-{place}"}, "value": [1, str(each)]} for place, each in enumerate(values)]
        self.status, self.answer = 200, {"status": "success", "data": {"resultType": kind, "result": result}}


@contextmanager
def played_prometheus() -> Iterator[Played]:
    """One that listens on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            played.asked.append(parse_qs(urlsplit(self.path).query)["query"][0])
            body = played.answer if isinstance(played.answer, bytes) else json.dumps(played.answer).encode()
            self.send_response(played.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    played = Played(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield played
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
