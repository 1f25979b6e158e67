r"""The long runs: kills, mutated inputs and load, with counts as flags. Not part of CI.

    python tests/long_runs.py                       # hours: the counts below
    python tests/long_runs.py --only=mutations --mutations=84000

Runs the suites of the tests with more repetitions, and prints a line for each: what
was done, how long it took, and whether it held. The exit status is 1 if one did not.
"""

import argparse
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
_FILES = 8400
_PATIENCE = 600
# The page, with a model and an estimator of poses that need no download.
_PAGE = """
import sys; sys.path.insert(0, "tests")
from pathlib import Path
from pg2_tf_webpage_helpers import Seer
from pg2_tf.inference.loading import load_model
from pg2_tf.webpage.handlers import Handlers
from pg2_tf.webpage.server import serve
handlers = Handlers(load_model(Path(sys.argv[1])), estimator=Seer, seconds=60)
serve(handlers, host="127.0.0.1", port=int(sys.argv[2]), megabytes=15, api=True)
"""


def training(kills: int) -> str:
    """Kills the training of each stage, then compares it with one without a break."""
    suite("test_pg2_tf_killed.py", PG2_KILLS=kills)
    return f"{2 * kills} kills over both stages; weights, logs and files as without"


def mutations(count: int) -> str:
    """Reads mutated files of every kind; each is read whole or refused in one line."""
    scale = max(1, math.ceil(count / _FILES))
    suite("test_preprocessing_fuzz.py", PG2_FUZZ_SCALE=scale)
    return f"{scale * _FILES:,} mutated files, and 24 builds of them"


def building(kills: int) -> str:
    """Kills builds at random moments; what they end with is the build without a break.

    A manifest is there only once everything is.
    """
    ends = Counter()
    with tempfile.TemporaryDirectory() as place:
        straight, out = Path(place) / "straight", Path(place) / "killed"
        started = time.monotonic()
        assert life(lambda: build(straight)) == 0
        whole, seconds = contents(straight), time.monotonic() - started
        while ends["killed"] < kills:
            status = life(lambda: build(out), seconds=random.uniform(0, 0.8 * seconds))
            ends["ended" if status == 0 else "killed"] += 1
            assert status in (0, -signal.SIGKILL), status
            if (out / "manifest.json").exists():
                assert contents(out) == whole
            if status == 0 or ends["killed"] % 10 == 0:
                assert life(lambda: build(out)) == 0
                assert contents(out) == whole
                shutil.rmtree(out)
                ends["compared"] += 1
        assert life(lambda: build(out)) == 0
        assert contents(out) == whole
    return f"{kills} kills; {ends['compared'] + 1} builds ended, byte for byte the same"


def exporting(kills: int) -> str:
    """Kills exports of a next version while a watcher loads what a server would see."""
    with tempfile.TemporaryDirectory() as place:
        run, models = Path(place) / "run", Path(place) / "models"
        assert life(lambda: prepare_run(run)) == 0
        started = time.monotonic()
        assert life(lambda: export(run, models, 1)) == 0
        seconds, whole = time.monotonic() - started, names(models / "1")
        stop, torn = threading.Event(), []
        watcher = threading.Thread(target=watch, args=(models, whole, stop, torn))
        watcher.start()
        killed, version = 0, 2
        while killed < kills:
            end = random.uniform(0, seconds)
            status = life(lambda n=version: export(run, models, n), seconds=end)
            assert status in (0, -signal.SIGKILL), status
            killed += status != 0
            version += status == 0
        assert life(lambda: export(run, models, version)) == 0
        stop.set()
        watcher.join()
        assert not torn, torn
        assert life(lambda: load_all(models)) == 0
    return f"{kills} kills; {version} versions, none seen in part, all of them load"


def serving(seconds: float) -> str:
    """Sends good and bad requests to the loopback server."""
    script = """
import sys; sys.path.insert(0, "tests")
import json, pg2_tf_serving_load, pg2_tf_helpers
from pathlib import Path
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.serving.saved_model import export_saved_model
place = Path(sys.argv[1])
model = PoseTransfer.load(pg2_tf_helpers.make_run(place / "run"))
export_saved_model(model, place / "model", version=1)
print("REPORT", json.dumps(pg2_tf_serving_load.load(
    place / "model", seconds=float(sys.argv[2]), clients=6)))
"""
    with tempfile.TemporaryDirectory() as place:
        ended = run(["-c", script, place, str(seconds)], seconds + _PATIENCE)
    report = json.loads(ended.split("REPORT ")[-1])
    assert report["alive"]
    assert report["wrong"] == 0, report
    assert not any("UNKNOWN" in met or "INTERNAL" in met for met in report["met"])
    memory = report["memory"]
    early, late = memory[len(memory) // 4], max(memory[-len(memory) // 4 :])
    assert late < early + 300, memory
    answered = sum(report["met"].values())
    return f"{answered:,} requests in {seconds:.0f} s, none wrong; {early} to {late} MB"


def page(seconds: float) -> str:
    """Sends good and bad requests to the page, from four programs at once."""
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "run"
        assert life(lambda: prepare_run(model)) == 0
        port = free_port()
        server = subprocess.Popen(
            [sys.executable, "-c", _PAGE, str(model), str(port)],
            cwd=HERE.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )
        try:
            assert "http" in server.stdout.readline()
            met = press(f"http://127.0.0.1:{port}", Path(place), seconds)
            assert server.poll() is None
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    assert met["good: answered"] > 0
    unexpected = {kind for kind in met if kind.endswith("unexpected")}
    assert not unexpected, met
    counts = ", ".join(f"{kind} {count:,}" for kind, count in sorted(met.items()))
    return f"{sum(met.values()):,} requests in {seconds:.0f} s: {counts}"


# === Parts of the suites ===


def import_once():
    """Imports what the jobs need, so that kills hit the jobs and not their imports."""
    import conftest  # noqa: F401
    import pg2_tf_helpers  # noqa: F401

    import pg2_tf.serving.saved_model  # noqa: F401


def suite(name, **settings):
    """Runs a file of tests with settings in the environment."""
    run(["-m", "pytest", "-q", "-x", str(HERE / name)], None, **settings)


def run(arguments, timeout, **settings):
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=HERE.parent,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-4000:]
    return ended.stdout


def environment(**settings):
    added = {name: str(value) for name, value in settings.items()}
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "", **added}


def life(job, *, seconds=None):
    """Runs a job in a process forked off; returns its status, negative if killed.

    Args:
        job: the job. TensorFlow must not have been used in this process.
        seconds: time after which the process is killed; None: it is not.
    """
    child = os.fork()
    if not child:
        try:
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 1)
            job()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    end = time.monotonic() + (_PATIENCE if seconds is None else seconds)
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert seconds is not None, f"took more than {_PATIENCE} s"
    return status


def build(out):
    from conftest import build_people

    if not (out / "manifest.json").exists():
        build_people(out, identities=30, images_per_identity=6)


def contents(out):
    """Returns all files of a data set; nothing else may lie there."""
    return {path.name: path.read_bytes() for path in out.iterdir()}


def prepare_run(path):
    from pg2_tf_helpers import make_run

    make_run(path)


def export(run_dir, models, version):
    from pg2_tf.inference.pose_transfer import PoseTransfer
    from pg2_tf.serving.saved_model import export_saved_model

    export_saved_model(PoseTransfer.load(run_dir), models, version=version)


def names(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in found}


def watch(models, whole, stop, torn):
    """Notes every version that lacks a file, as a server that polls would see it."""
    while not stop.is_set():
        for version in models.iterdir():
            if version.name.isdecimal() and names(version) != whole:
                torn.append((version.name, whole ^ names(version)))
        time.sleep(0.002)


def load_all(models):
    from pg2_tf.inference.loading import load_model

    for version in models.iterdir():
        if version.name.isdecimal():
            load_model(version)


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def press(address, place, seconds):
    """Calls a page from four threads; returns how often what ended how."""
    from gradio_client import Client, handle_file
    from pg2_tf_webpage_helpers import write_photo

    photo = handle_file(str(write_photo(place / "me.png", height=400)))
    wall = handle_file(str(write_photo(place / "wall.png", people=0)))
    (place / "words.png").write_bytes(b"no photo")
    (place / "pose.json").write_text('{"people": [{}]}')
    words = handle_file(str(place / "words.png"))
    pose = handle_file(str(place / "pose.json"))
    requests = {
        "good": (photo, "walking", None, "scale", True),
        "motion": (photo, "wave", None, "limbs", False),
        "no person": (wall, "standing", None, "scale", False),
        "no photo": (words, "standing", None, "scale", False),
        "no pose": (photo, "nobody", None, "scale", False),
        "bad pose": (photo, "standing", pose, "scale", False),
    }
    met, end = Counter(), time.monotonic() + seconds

    def client(number):
        chance, caller = random.Random(number), Client(address, verbose=False)
        while time.monotonic() < end:
            (kind,) = chance.choices(list(requests), [6, 1, 1, 1, 1, 1])
            good = kind in ("good", "motion")
            try:
                caller.predict(*requests[kind], api_name="/generate")
                met[f"{kind}: {'answered' if good else 'unexpected'}"] += 1
            except Exception as error:
                busy = "full" in str(error) or "busy" in str(error)
                refused = "busy" if busy else "unexpected" if good else "refused"
                met[f"{kind}: {refused}"] += 1

    threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return met


SUITES = {
    "training": (training, "kills", 50),
    "building": (building, "kills", 100),
    "exporting": (exporting, "kills", 20),
    "mutations": (mutations, "files", 1_000_000),
    "serving": (serving, "seconds", 3600),
    "page": (page, "seconds", 3600),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(SUITES), help="Suites, by comma.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the kills.")
    for name, (function, unit, count) in SUITES.items():
        about = f"{unit}; default {count}. {function.__doc__.split('.')[0]}."
        parser.add_argument(f"--{name}", type=int, default=count, help=about)
    flags = parser.parse_args()
    random.seed(flags.seed)
    os.environ |= {"TQDM_DISABLE": "1", "CUDA_VISIBLE_DEVICES": ""}
    import_once()
    failed = False
    for name in flags.only.split(","):
        started = time.monotonic()
        try:
            held, text = True, SUITES[name][0](getattr(flags, name))
        except Exception as error:
            traceback.print_exc()
            held, text = False, " ".join(str(error).split())[:400]
        minutes = (time.monotonic() - started) / 60
        print(f"| {name} | {text} | {minutes:.0f} min | {held} |", flush=True)
        failed |= not held
    return int(failed)


if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    sys.exit(main())
