"""What the tests of the builder share: small folders of people, and a plain reader."""

import json
import runpy
import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow as tf
from absl import flags

from preprocessing.dataset.builder import Builder
from preprocessing.dataset.settings import Settings
from preprocessing.poses.formats import openpose
from preprocessing.sources import folder

SIZE = (32, 32)


class Stored(NamedTuple):
    """An image as it lies in a shard."""

    split: str
    shard: str
    name: str
    identity: str
    image: bytes
    keypoints: np.ndarray


def photo(seed=0, size=SIZE):
    """Returns the JPEG of a plain picture in a colour of its own."""
    colour = np.random.default_rng(seed).integers(40, 200, 3)
    picture = np.tile(colour.astype(np.uint8), (*size, 1))
    return cv2.imencode(".jpg", picture)[1].tobytes()


def pose(x=10, joints=18):
    """Returns a pose whose first joints were found."""
    found = np.arange(18) < joints
    places = np.stack([x + np.arange(18) / 2, 5 + np.arange(18), np.full(18, 0.5)])
    return (places * found).T.astype(np.float32)


def add(root, name, content=None, *, poses=()):
    """Writes an image, and beside it the JSON of the poses of all people in it."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(photo(len(name)) if content is None else content)
    people = [{"pose_keypoints_2d": person.reshape(-1).tolist()} for person in poses]
    beside = path.with_name(path.stem + openpose.SUFFIX)
    beside.write_text(json.dumps({"people": people}))
    return path


def people_folder(root, **counts):
    """Writes so many images of each person, and the pose in each."""
    for person, count in counts.items():
        for number in range(count):
            add(root, f"{person}/{number}.jpg", photo(number), poses=[pose(number)])
    return root


def folder_builder(
    root, out, *, overwrite=False, workers=1, engine="local", **settings
):
    """Returns a builder that has collected the folder's images and poses."""
    settings = {"source": "folder", "image_size": SIZE, "test_fraction": 0} | settings
    builder = Builder(
        Settings(**settings),
        out=out,
        overwrite=overwrite,
        workers=workers,
        engine=engine,
    )
    builder.collect(folder.samples(root, builder.notes))
    builder.find_poses([root])
    return builder


def read_manifest(out):
    return json.loads((Path(out) / "manifest.json").read_text())


def read_images(out):
    """Returns what lies in all shards that the manifest names, in order."""
    stored = []
    for split, entry in read_manifest(out)["splits"].items():
        for shard in entry["shards"]:
            for content in tf.data.TFRecordDataset(str(out / shard["file"])):
                features = tf.train.Example.FromString(content.numpy()).features.feature
                name, identity, image = (
                    features[key].bytes_list.value[0]
                    for key in ("name", "identity", "image")
                )
                values = np.float32(features["keypoints"].float_list.value)
                stored.append(
                    Stored(
                        split,
                        shard["file"],
                        name.decode(),
                        identity.decode(),
                        image,
                        values.reshape(18, 3),
                    )
                )
    return stored


def read_pairs(out, split):
    """Returns the names of source and target of every pair of a split."""
    images, pairs = read_images(out), []
    for shard in read_manifest(out)["splits"][split]["shards"]:
        names = [stored.name for stored in images if stored.shard == shard["file"]]
        index = np.load(out / shard["pairs_file"]).tolist()
        pairs += [(names[source], names[target]) for source, target in index]
    return pairs


class Result(NamedTuple):
    """How a command ended: exit status and what it printed."""

    status: int
    out: str
    err: str


def run_build(capsys, *arguments):
    """Runs `python -m preprocessing.build` in this process, on flags of its own."""
    others = _take_flags()
    argv, sys.argv = sys.argv, ["build", *map(str, arguments)]
    flags.FLAGS.unparse_flags()
    try:
        runpy.run_module("preprocessing.build", run_name="__main__")
        status = None
    except SystemExit as end:
        status = end.code
    finally:
        sys.argv = argv
        _take_flags()
        for name, flag in others.items():
            flags.FLAGS[name] = flag
    return Result(status, *capsys.readouterr())


def _take_flags():
    """Takes away all flags but absl's own, and returns them."""
    module_of = flags.FLAGS.find_module_defining_flag
    names = [n for n in flags.FLAGS if not (module_of(n) or "").startswith("absl")]
    taken = {name: flags.FLAGS[name] for name in names}
    for name in names:
        delattr(flags.FLAGS, name)
    return taken
