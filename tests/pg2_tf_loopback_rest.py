"""The REST API of the loopback server, with the JSON of TensorFlow Serving."""

import base64
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from google.protobuf import json_format
from pg2_tf_loopback_models import StatusError, signatures_of, status_of

# As the server translates its codes.
HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_PATH = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(/\w+|:\w+)?"
)


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        # Clients that break off are part of the tests.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, address)


class RestHandler(BaseHTTPRequestHandler):
    """One connection of the REST API."""

    protocol_version = "HTTP/1.1"
    timeout = 10  # Of a client that does not say what it wants.

    def do_GET(self):
        self._answer(b"")

    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        self._answer(self.rfile.read(length))

    def _answer(self, body):
        models = self.server_of_models
        try:
            models.check(self.headers.get("authorization"))
            status, content = 200, self._content(body)
        except StatusError as error:
            status = HTTP_STATUS[error.code]
            content = json.dumps({"error": str(error)}).encode()
            models.statuses.append(error.code)
        else:
            models.statuses.append("OK")
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _content(self, body):
        models = self.server_of_models
        match = _PATH.fullmatch(self.path)
        if not match:
            raise StatusError("INVALID_ARGUMENT", f"Malformed request: {self.path}")
        name, number, label, end = match.groups()
        if end is None:
            return json_format.MessageToJson(status_of(models, name)).encode()
        version = models.version(name, int(number or 0), label)
        if end == "/metadata":
            found = json_format.MessageToDict(
                signatures_of(version), preserving_proto_field_name=True
            )
            content = {
                "model_spec": {"name": name},
                "metadata": {"signature_def": found},
            }
            return json.dumps(content).encode()
        try:
            request = json.loads(body)
            inputs = {name: _decoded(one) for name, one in request["inputs"].items()}
        except (ValueError, KeyError, AttributeError) as error:
            message = f"JSON Parse error: {error}"
            raise StatusError("INVALID_ARGUMENT", message) from error
        made = models.predict(version, request.get("signature_name"), inputs)
        return _json_of(made)

    def log_message(self, *_):
        pass


def _decoded(value):
    """Returns an input in which {"b64": ...} has become bytes."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return np.array([base64.b64decode(one["b64"]) for one in value], object)
    return value


def _json_of(made):
    """Returns outputs as the server writes them; one alone has no name."""
    texts = {
        # Only outputs called *_bytes are encoded; others are taken for text.
        name: json.dumps(value.tolist())
        if value.dtype != object
        else "[" + ", ".join(json.dumps(one.decode("latin-1")) for one in value) + "]"
        for name, value in made.items()
    }
    if len(texts) == 1:
        inside = next(iter(texts.values()))
    else:
        inside = "{" + ", ".join(f'"{k}": {text}' for k, text in texts.items()) + "}"
    return f'{{"outputs": {inside}}}'.encode()
