"""Engines: order, errors, processes and machines that die, and the same data sets."""

import importlib.util
import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from pg2_tf_helpers import command_error
from preprocessing_engine_tasks import die, square
from preprocessing_helpers import folder_builder

from preprocessing.dataset import builder
from preprocessing.sources import synthetic
from preprocessing.system import engines
from preprocessing.system.errors import InputError

needs_ray = pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="needs Ray")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Workers of Ray find the functions of the tests."""
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("RAY_ADDRESS", "local")


@pytest.fixture(params=["local-1", "local-2", pytest.param("ray-2", marks=needs_ray)])
def engine(request):
    name, workers = request.param.split("-")
    return {"engine": name, "workers": int(workers)}


def test_results_come_in_order_and_errors_as_they_are(engine, tmp_path):
    with engines.start(**engine) as mapped:
        for chunk in (1, 4):
            results = list(mapped(square, range(50), chunk=chunk))
            assert results == [number * number for number in range(50)]
        list(mapped(partial(square, log=tmp_path), range(50)))
    with (
        pytest.raises(InputError, match=r"^-3: negative$"),
        engines.start(**engine) as mapped,
    ):
        list(mapped(square, [1, 2, -3, 4]))
    pids = {path.name.split("-")[1] for path in tmp_path.iterdir()}
    assert (str(os.getpid()) in pids) == (engine["workers"] == 1)


def test_few_results_wait_to_be_taken():
    """A source of a million images is not read ahead of the writing."""
    taken = []
    with engines.start("local", workers=2) as mapped:
        results = mapped(square, (taken.append(n) or n for n in range(1000)))
        assert next(results) == 0
        assert len(taken) < 20


def test_a_process_that_dies_ends_the_command_in_one_line():
    with (
        pytest.raises(InputError, match=r"a worker process died.*--workers"),
        engines.start("local", workers=2) as mapped,
    ):
        list(mapped(die, range(9)))


def test_workers_end_with_the_process_that_started_them(tmp_path):
    script = """
import sys, time
from functools import partial
from pathlib import Path
sys.path.insert(0, "tests")
from preprocessing.system import engines
from preprocessing_engine_tasks import square
with engines.start("local", workers=2) as mapped:
    list(mapped(partial(square, log=Path(sys.argv[1])), range(20)))
    print("ready", flush=True)
    time.sleep(60)
"""
    root = Path(__file__).parent.parent
    started = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert started.stdout.readline() == "ready\n"
    pids = {int(path.name.split("-")[1]) for path in tmp_path.iterdir()}
    assert pids
    started.kill()
    started.wait()
    end = time.monotonic() + 30
    while any(_lives(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(_lives(pid) for pid in pids)


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().split(") ")[1][0] == "Z")


def test_drawn_people_can_be_sent_to_workers():
    for sample in synthetic.samples(
        identities=2, images_per_identity=2, size=(32, 32), seed=0, occlusion=1.0
    ):
        assert pickle.loads(pickle.dumps(sample)).read() == sample.read()


def test_ray_is_asked_for_by_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    error = command_error(
        capsys,
        "preprocessing.build",
        "--source=synthetic",
        "--engine=ray",
        f"--out={tmp_path / 'data'}",
    )
    assert "--engine=ray needs Ray: pip install 'pg2-tf[ray]'" in error


@needs_ray
@pytest.mark.parametrize("victim", ["a process", "a node"])
def test_three_nodes_of_which_one_is_killed(tmp_path, monkeypatch, victim):
    """The shards, the index and the manifest are those of one process, byte for byte.

    While the build runs on a cluster of three nodes, a worker process or a whole node
    is killed.
    """
    import ray
    from ray.cluster_utils import Cluster

    root = tmp_path / "photos"
    make_photos(root, people=6, each=30)
    whole = folder_builder(root, tmp_path / "whole", images_per_shard=60)
    whole.write()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    try:
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        ray.init(log_to_driver=False)
        marks = tmp_path / "marks"
        marks.mkdir()
        killed = []

        def kill(progress):
            if progress == 60 and not killed:
                killed.append(victim)
                if victim == "a node":
                    cluster.remove_node(nodes[0], allow_graceful=False)
                else:
                    os.kill(worker_of(ray), signal.SIGKILL)

        many = folder_builder(
            root, tmp_path / "many", images_per_shard=60, engine="ray", workers=6
        )
        count_written(monkeypatch, kill)
        many.write()
        assert killed == [victim]
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert contents(tmp_path / "many") == contents(tmp_path / "whole")


def worker_of(ray):
    """Returns the process that runs a task at this moment, or has run one."""

    @ray.remote
    def pid():
        return os.getpid()

    return ray.get(pid.remote())


def count_written(monkeypatch, call):
    """Calls a function with the number of images whenever one has been written."""
    count, serialize = [], builder.shards.serialize

    def counting(record):
        count.append(record.name)
        call(len(count))
        return serialize(record)

    monkeypatch.setattr(builder.shards, "serialize", counting)


def make_photos(root, *, people, each):
    from preprocessing.poses.formats import openpose

    for sample in synthetic.samples(
        identities=people, images_per_identity=each, size=(64, 64), seed=3
    ):
        path = root / sample.identity / sample.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample.read())
        openpose.write_json(path.with_name(path.stem + openpose.SUFFIX), sample.pose)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}
