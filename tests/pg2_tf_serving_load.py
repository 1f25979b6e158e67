r"""Load test of the loopback server: concurrent clients, valid and broken requests.

    python tests/pg2_tf_serving_load.py exported/market1501 180

requests images of the newest version of a model for 180 seconds, and prints the times
of valid answers, the results of all requests, and the server's memory.
"""

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import cv2
import grpc
import numpy as np
import tensorflow as tf
from pg2_tf_helpers import random_poses
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from pg2_tf.serving.grpc_model import GrpcModel
from pg2_tf.serving.remote import Endpoint, RestModel, ServerError
from pg2_tf.serving.saved_model import next_version
from preprocessing.images import image_files
from preprocessing.system.errors import InputError

_PAIRS = 24
_LARGE = (4000, 3000)
_HERE = Path(__file__).parent


class Load:
    """Clients of one server, and their results.

    Attributes:
        seconds: Times of valid requests by protocol.
        met: Counts of `kind of request: result`.
        wrong: Number of answers that differ from the model's image.
    """

    def __init__(self, folder, addresses):
        self.seconds = {"grpc": [], "rest": []}
        self.met = Counter()
        self.wrong = 0
        self._lock = threading.Lock()
        self._addresses = addresses
        models = zip(self.seconds, (GrpcModel, RestModel), addresses, strict=True)
        self._models = {
            name: kind(Endpoint(address, "model", timeout=60))
            for name, kind, address in models
        }
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(
            grpc.insecure_channel(addresses[0])
        )
        self._prepare(folder)
        self._kinds = {
            self._good: 12,
            self._broken: 2,
            self._declared: 1,
            self._mismatched: 2,
            self._large: 1,
            self._hurried: 2,
            self._stalled: 1,
            self._garbage: 1,
        }

    def run(self, *, seconds, clients):
        end = time.monotonic() + seconds
        threads = [
            threading.Thread(target=self._client, args=(number, end))
            for number in range(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _prepare(self, folder):
        size = self._models["grpc"].image_size
        rng = np.random.default_rng(0)
        small = rng.integers(0, 256, (_PAIRS, 4, 4, 3), np.uint8)
        self._images = np.stack([cv2.resize(one, size[::-1]) for one in small])
        self._poses = random_poses(_PAIRS, size=size)
        loaded = tf.saved_model.load(str(folder / str(next_version(folder) - 1)))
        made = loaded.signatures["serving_default"](
            image=tf.constant(self._images), keypoints=tf.constant(self._poses)
        )
        self._name = "refined" if "refined" in made else "coarse"
        self._expected = made[self._name].numpy().astype(int)
        self._png = image_files.encode_png(self._images[0])
        large = cv2.resize(small[1], _LARGE[::-1])
        self._large_jpeg = image_files.encode_jpeg(large)

    def _client(self, number, end):
        chance = random.Random(number)
        kinds, weights = list(self._kinds), list(self._kinds.values())
        while time.monotonic() < end:
            (kind,) = chance.choices(kinds, weights)
            met = kind(chance)
            with self._lock:
                self.met[f"{kind.__name__.strip('_')}: {met}"] += 1

    # === Requests; each returns its result ===

    def _good(self, chance):
        protocol = chance.choice(["grpc", "rest"])
        chosen = chance.sample(range(_PAIRS), chance.choice([1, 1, 1, 2, 4]))
        begun = time.perf_counter()
        made = self._models[protocol](self._images[chosen], self._poses[chosen])
        taken = time.perf_counter() - begun
        difference = np.abs(made[self._name].astype(int) - self._expected[chosen])
        with self._lock:
            self.seconds[protocol].append(taken)
            self.wrong += int(difference.max() > 2)
        return "answered"

    def _broken(self, chance):
        cut = chance.randrange(len(self._png))
        return self._encoded(self._png[:cut] + b"?", timeout=60)

    def _declared(self, chance):
        # 60,000 x 60,000 pixels, says the header.
        side = (60_000).to_bytes(4, "big")
        return self._encoded(self._png[:16] + side + side + self._png[24:], timeout=60)

    def _large(self, chance):
        return self._encoded(self._large_jpeg, timeout=60)

    def _hurried(self, chance):
        return self._encoded(self._large_jpeg, timeout=0.02)

    def _mismatched(self, chance):
        model = self._models[chance.choice(["grpc", "rest"])]
        poses = chance.choice([self._poses[:3], self._poses[:2, :17]])
        try:
            model(self._images[:2], poses)
        except ServerError as error:
            return f"ServerError {error}"
        except InputError:
            return "refused"
        return "answered"

    def _stalled(self, chance):
        host, port = self._addresses[1].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"POST /v1/models/model:predict HTTP/1.1\r\nContent-Le")
            time.sleep(0.5)
        return "left"

    def _garbage(self, chance):
        address = chance.choice([self._addresses[0], self._addresses[1][7:]])
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(chance.randbytes(200) + b"\r\n\r\n")
        return "left"

    def _encoded(self, content, *, timeout):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "model"
        request.model_spec.signature_name = "encoded"
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([content]))
        request.inputs["keypoints"].CopyFrom(tf.make_tensor_proto(self._poses[:1]))
        try:
            self._stub.Predict(request, timeout=timeout)
        except grpc.RpcError as error:
            return error.code().name
        return "answered"


def load(folder, *, seconds, clients=8, every=2.0):
    """Serves a model in its own process, and runs the load test.

    Returns:
        `percentiles` in milliseconds by protocol, `met`, `wrong`, `alive`, and the
        server's resident `memory` in megabytes at intervals of `every` seconds.
    """
    command = [sys.executable, str(_HERE / "pg2_tf_loopback_server.py")]
    with subprocess.Popen(
        [*command, f"model={folder}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    ) as server:
        try:
            under = Load(Path(folder), server.stdout.readline().split())
            memory = _watched(server.pid, under, seconds, clients, every)
            alive = server.poll() is None
        finally:
            server.stdin.close()
    percentiles = {
        name: {
            f"p{share}": round(1000 * float(np.percentile(taken, share)), 1)
            for share in (50, 90, 95, 99, 100)
        }
        for name, taken in under.seconds.items()
        if taken
    }
    return {
        "percentiles": percentiles,
        "met": dict(sorted(under.met.items())),
        "wrong": under.wrong,
        "alive": alive,
        "memory": memory,
    }


def _watched(process, under, seconds, clients, every):
    statm, memory = Path(f"/proc/{process}/statm"), []
    runner = threading.Thread(
        target=under.run, kwargs={"seconds": seconds, "clients": clients}
    )
    runner.start()
    while runner.is_alive():
        runner.join(every)
        if statm.exists():
            pages = int(statm.read_text().split()[1])
            memory.append(round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6))
    return memory


if __name__ == "__main__":
    print(json.dumps(load(sys.argv[1], seconds=float(sys.argv[2])), indent=2))
