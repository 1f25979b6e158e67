"""Fixtures for many tests: small data sets of drawn people, and real data."""

import ctypes
import gc
import os
import sys
from pathlib import Path

import pytest

from preprocessing.dataset.builder import Builder
from preprocessing.dataset.settings import Settings
from preprocessing.sources import synthetic


def build_people(
    out: Path, *, size=(32, 32), identities=6, images_per_identity=3, seed=1
) -> Path:
    """Builds a small data set of drawn people at `out`, and returns it."""
    settings = Settings(
        source="synthetic", image_size=size, test_fraction=0.34, images_per_shard=6
    )
    builder = Builder(settings, out=out)
    builder.collect(
        synthetic.samples(
            identities=identities,
            images_per_identity=images_per_identity,
            size=size,
            seed=seed,
        )
    )
    builder.write()
    return out


@pytest.fixture(autouse=True, scope="module")
def freed_memory():
    """Frees the graphs and functions of a module's tests when they are done."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()
    gc.collect()
    # glibc keeps freed memory; this returns it to the system.
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


@pytest.fixture(scope="session")
def people_dir(tmp_path_factory) -> Path:
    """A data set of 6 drawn people, 32x32, 3 images of each. Not to be changed."""
    return build_people(tmp_path_factory.mktemp("people") / "data")


@pytest.fixture(scope="session")
def whole(tmp_path_factory, people_dir) -> Path:
    """A run of both stages, 8 steps each, without a break. Not to be changed."""
    from pg2_tf_helpers import train

    run = tmp_path_factory.mktemp("whole") / "run"
    assert train(run, people_dir, 1, 8) == 8
    assert train(run, people_dir, 2, 8) == 8
    return run


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and golden references; skips where there is none."""
    place = os.environ.get("PG2_SHARED")
    if not place or not Path(place).is_dir():
        pytest.skip("PG2_SHARED names no folder of golden references")
    return Path(place)
