"""A server of this machine that files are fetched from in tests."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    """Serves `server.files` whole, at /cut/... cut off, others not at all."""

    def do_GET(self):
        """Answers a request and notes it in `server.asked`."""
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path.removeprefix("/cut"))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: 100 if self.path.startswith("/cut/") else None])

    def log_message(self, *arguments):
        """Says nothing."""


@contextmanager
def served(files):
    """Serves files, bytes by path; yields the server: `asked` lists what was asked."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.files, server.asked = files, []
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield server
        finally:
            server.shutdown()


def url(server, path):
    """Returns the address of a file; after the server is closed, of nothing."""
    return f"http://127.0.0.1:{server.server_port}{path}"


def url_of_nobody():
    """Returns an address at which nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as closed:
        return url(closed, "/model")
