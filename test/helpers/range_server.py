"""A web server of a folder, in a process of its own: GDAL may hold Python's lock while it waits for it.

It answers range requests, tells at `/-/sent` how many bytes it has sent, and after `/-/gone` finds nothing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen


class Ranged(SimpleHTTPRequestHandler):
    """Serves files, whole or in the ranges asked for, and can lose them."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        server: Any = self.server
        if self.path.startswith("/-/"):
            server.gone |= self.path == "/-/gone"
            data, first, asked = str(server.sent).encode(), 0, None
        else:
            path, asked = Path(self.translate_path(self.path)), self.headers.get("Range")
            if server.gone or not path.is_file():
                self.send_error(404)
                return
            data, first = path.read_bytes(), 0
        whole = len(data)
        if asked:
            begin, _, end = asked.removeprefix("bytes=").partition("-")
            first = int(begin)
            data = data[first : int(end) + 1 if end else whole]
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{first + len(data) - 1}/{whole}")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            server.sent += len(data)
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[str]:
    """Serve a folder, on a port or any free one; yields its address."""
    command = [sys.executable, __file__, str(folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def ask(address: str, what: str) -> int:
    """Ask a server how much it has sent, or tell it to lose its files ("gone")."""
    with urlopen(f"{address}/-/{what}", timeout=10) as answer:
        return int(answer.read())


if __name__ == "__main__":
    http: Any = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), partial(Ranged, directory=sys.argv[1]))
    http.gone, http.sent = False, 0
    sys.stdout.write(f"{http.server_port}\n")
    sys.stdout.flush()
    http.serve_forever()
