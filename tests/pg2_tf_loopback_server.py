"""A server for tests that speaks as TensorFlow Serving does, over `tf.saved_model`.

PredictionService over gRPC with the real message types, and the REST API with its JSON;
on this machine alone. It answers what the tests need: Predict, metadata and status.
Started as a program it serves NAME=FOLDER arguments, prints its two addresses, and ends
with its standard input.
"""

import ssl
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import tensorflow as tf
from pg2_tf_loopback_models import StatusError, Version, signatures_of, status_of
from pg2_tf_loopback_rest import HttpServer, RestHandler
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

_LARGEST = 64 * 2**20


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
        found = signatures_of(self._version(request.model_spec))
        answer.metadata["signature_def"].Pack(found)
        return answer


class Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models):
        self.models = models

    @_answering
    def GetModelStatus(self, request):  # noqa: N802
        return status_of(self.models, request.model_spec.name)


def main():
    models = dict(argument.split("=", 1) for argument in sys.argv[1:])
    folders = {name: Path(folder) for name, folder in models.items()}
    labels = {"stable": 0, "canary": 0}
    with LoopbackServer(folders, labels=labels) as server:
        print(server.grpc, server.rest, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
