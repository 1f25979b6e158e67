"""A server for tests that speaks as TensorFlow Serving does, over `tf.saved_model`.

PredictionService over gRPC with the real message types, and the REST API with its JSON;
on this machine alone. It answers what the tests need: Predict, metadata and status.
Started as a program it serves NAME=FOLDER arguments, prints its two addresses, and ends
with its standard input.
"""

import base64
import json
import re
import ssl
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

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
_LARGEST = 64 * 2**20


class StatusError(Exception):
    """An answer other than OK."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Version:
    """A loaded version of a model."""

    def __init__(self, place):
        self.loaded = tf.saved_model.load(str(place))
        content = (place / "saved_model.pb").read_bytes()
        graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
        self.signatures = graph.signature_def

    def run(self, signature, inputs):
        function = self.loaded.signatures.get(signature)
        if function is None:
            raise StatusError("INVALID_ARGUMENT", f"no signature {signature}")
        _, specs = function.structured_input_signature
        try:
            tensors = {
                name: tf.constant(inputs[name], spec.dtype)
                for name, spec in specs.items()
            }
            made = function(**tensors)
        except tf.errors.InvalidArgumentError as error:
            found = re.search(r"assertion failed: .*", error.message)
            message = found[0] if found else error.message
            raise StatusError("INVALID_ARGUMENT", message) from error
        except (KeyError, TypeError, ValueError) as error:
            raise StatusError("INVALID_ARGUMENT", str(error)) from error
        return {name: tensor.numpy() for name, tensor in made.items()}


class LoopbackServer:
    """Serves models until the `with` block ends.

    Args:
        models: folders of versions by the name of the model.
        labels: version numbers by label, of all models; 0 for the newest.
        certificate: of `trustme`, for encrypted connections.
        client_ca: of `trustme`, that a client's certificate must come from.
        token: that a request must bring.
        largest: bytes of a gRPC request.

    Attributes:
        faults: status codes that the next predictions get in place of an answer.
        delay: seconds before a prediction begins.
        asked: predictions that came, those with faults too.
    """

    def __init__(
        self,
        models,
        *,
        labels=None,
        certificate=None,
        client_ca=None,
        token=None,
        largest=_LARGEST,
    ):
        self.models = {
            name: {
                int(p.name): Version(p) for p in folder.iterdir() if p.name.isdigit()
            }
            for name, folder in models.items()
        }
        self.labels = labels or {}
        self.token = token
        self.faults = deque()
        self.delay = 0.0
        self.asked = 0
        self.statuses = deque(maxlen=10_000)
        self._start_grpc(certificate, client_ca, largest)
        self._start_rest(certificate, client_ca)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._grpc.stop(None)
        self._http.shutdown()
        self._http.server_close()

    # === What both protocols do ===

    def version(self, name, number, label):
        versions = self.models.get(name, {})
        if label and label not in self.labels:
            message = f"Unrecognized servable version label: {label}"
            raise StatusError("INVALID_ARGUMENT", message)
        number = self.labels[label] if label else number
        number = number or max(versions, default=0)
        if number not in versions:
            message = f"Servable not found for request: Latest({name})"
            raise StatusError("NOT_FOUND", message)
        return versions[number]

    def predict(self, version, signature, inputs):
        self.asked += 1
        time.sleep(self.delay)
        if self.faults:
            code = self.faults.popleft()
            raise StatusError(code, f"told to answer\n {code}")
        return version.run(signature or "serving_default", inputs)

    def check(self, authorization):
        if self.token and authorization != f"Bearer {self.token}":
            raise StatusError("UNAUTHENTICATED", "a token is needed")

    # === gRPC ===

    def _start_grpc(self, certificate, client_ca, largest):
        self._grpc = grpc.server(
            ThreadPoolExecutor(16),
            options=[("grpc.max_receive_message_length", largest)],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            Predictions(self), self._grpc
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            Models(self), self._grpc
        )
        if certificate:
            chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
            credentials = grpc.ssl_server_credentials(
                [(certificate.private_key_pem.bytes(), chain)],
                root_certificates=client_ca and client_ca.cert_pem.bytes(),
                require_client_auth=bool(client_ca),
            )
            port = self._grpc.add_secure_port("localhost:0", credentials)
        else:
            port = self._grpc.add_insecure_port("localhost:0")
        self._grpc.start()
        self.grpc = f"localhost:{port}"

    # === REST ===

    def _start_rest(self, certificate, client_ca):
        handler = type("Handler", (RestHandler,), {"server_of_models": self})
        self._http = HttpServer(("localhost", 0), handler)
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            certificate.configure_cert(context)
            if client_ca:
                client_ca.configure_trust(context)
                context.verify_mode = ssl.CERT_REQUIRED
            self._http.socket = context.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        scheme = "https" if certificate else "http"
        self.rest = f"{scheme}://localhost:{self._http.server_port}"


def _answering(method):
    """Turns what a method raises into a status of gRPC."""

    def answer(self, request, context):
        try:
            self.models.check(dict(context.invocation_metadata()).get("authorization"))
            made = method(self, request)
            self.models.statuses.append("OK")
            return made
        except StatusError as error:
            self.models.statuses.append(error.code)
            context.abort(grpc.StatusCode[error.code], str(error))

    return answer


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self.models = models

    def _version(self, spec):
        return self.models.version(spec.name, spec.version.value, spec.version_label)

    @_answering
    def Predict(self, request):  # noqa: N802
        version = self._version(request.model_spec)
        inputs = {name: tf.make_ndarray(one) for name, one in request.inputs.items()}
        signature = request.model_spec.signature_name
        answer = predict_pb2.PredictResponse(model_spec=request.model_spec)
        for name, made in self.models.predict(version, signature, inputs).items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(made))
        return answer

    @_answering
    def GetModelMetadata(self, request):  # noqa: N802
        answer = get_model_metadata_pb2.GetModelMetadataResponse(
            model_spec=request.model_spec
        )
        found = _signatures(self._version(request.model_spec))
        answer.metadata["signature_def"].Pack(found)
        return answer


class Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models):
        self.models = models

    @_answering
    def GetModelStatus(self, request):  # noqa: N802
        return _status(self.models, request.model_spec.name)


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
    server_of_models: LoopbackServer

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
            return json_format.MessageToJson(_status(models, name)).encode()
        version = models.version(name, int(number or 0), label)
        if end == "/metadata":
            found = json_format.MessageToDict(
                _signatures(version), preserving_proto_field_name=True
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


def _signatures(version):
    found = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in version.signatures.items():
        found.signature_def[name].CopyFrom(signature)
    return found


def _status(models, name):
    if name not in models.models:
        raise StatusError("NOT_FOUND", f"Could not find any versions of model {name}")
    answer = get_model_status_pb2.GetModelStatusResponse()
    for number in models.models[name]:
        status = answer.model_version_status.add(version=number)
        status.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    return answer


def main():
    models = dict(argument.split("=", 1) for argument in sys.argv[1:])
    folders = {name: Path(folder) for name, folder in models.items()}
    labels = {"stable": 0, "canary": 0}
    with LoopbackServer(folders, labels=labels) as server:
        print(server.grpc, server.rest, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
