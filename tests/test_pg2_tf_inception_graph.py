"""The graph is fetched once, alone and whole, or not at all."""

import hashlib

import numpy as np
import pytest
from pg2_tf_metrics_helpers import archive, frozen_graph
from preprocessing_fetching_helpers import served, url, url_of_nobody

from pg2_tf.evaluation.metrics import inception
from pg2_tf.evaluation.metrics.inception import Inception
from preprocessing.system.errors import InputError


@pytest.fixture
def server():
    whole = archive()
    files = {
        "/inception.tgz": whole,
        "/other.tgz": archive({"model.pb": b"another network"}),
        "/broken.tgz": whole[: len(whole) // 2],
        "/page.tgz": b"<html>moved</html>",
    }
    with served(files) as server:
        yield server


def refused(cache, address):
    """Returns the line that says why nothing was fetched; nothing is left behind."""
    with pytest.raises(InputError) as error:
        inception.fetch(cache, url=address)
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith(f"{address}: ")
    assert f"mkdir -p {cache} && curl -L {address} | tar -xz -C {cache};" in line
    assert line.endswith("classify_image_graph_def.pb with --inception_graph")
    assert not cache.exists() or list(cache.iterdir()) == []
    return line


def test_fetched_once_into_the_cache_with_its_checksum_shown(
    server, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    address = url(server, "/inception.tgz")
    monkeypatch.setattr(inception, "URL", address)
    first = Inception.load(None)
    printed = capsys.readouterr().out
    assert f"fetching {address}\n" in printed
    contents = server.files["/inception.tgz"], frozen_graph()
    sums = [hashlib.sha256(content).hexdigest() for content in contents]
    assert f"fetched {address}, SHA-256 {sums[0]}\n" in printed
    path = tmp_path / "pg2_tf" / "classify_image_graph_def.pb"
    assert f"Inception: {path}, SHA-256 {sums[1]}" in printed
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == frozen_graph()

    second = Inception.load(None)
    assert "fetching " not in capsys.readouterr().out
    assert server.asked == ["/inception.tgz"]
    assert first.checksum == second.checksum == sums[1]
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(first.features(images)[0], second.features(images)[0])


def test_a_given_path_is_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(inception, "URL", url_of_nobody())
    (tmp_path / "mine.pb").write_bytes(frozen_graph())
    Inception.load(tmp_path / "mine.pb")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing.tgz", "cannot be fetched (HTTP Error 404"),
        ("/cut/inception.tgz", "100 bytes read"),
        ("/other.tgz", "does not contain classify_image_graph_def.pb and was not kept"),
        ("/broken.tgz", "is no whole .tgz archive"),
        ("/page.tgz", "(18 bytes) is no whole .tgz archive"),
    ],
)
def test_what_is_not_the_whole_archive_is_not_kept(server, tmp_path, path, reason):
    assert reason in refused(tmp_path / "cache", url(server, path))


def test_without_network_it_says_what_to_run(tmp_path):
    assert "cannot be fetched (" in refused(tmp_path / "cache", url_of_nobody())


def test_a_damaged_graph_in_the_cache_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "pg2_tf" / inception.NAME
    path.parent.mkdir()
    path.write_bytes(frozen_graph()[:-200])
    with pytest.raises(InputError, match="no frozen TensorFlow graph") as error:
        Inception.load(None)
    assert str(error.value).startswith(f"{path}: ")
