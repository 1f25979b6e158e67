"""The model is fetched once, whole and as published, or not at all."""

import hashlib

import pytest
from preprocessing_fetching_helpers import served, url, url_of_nobody

from preprocessing.estimation import movenet
from preprocessing.system import download, files
from preprocessing.system.errors import InputError

CONTENT = b"a model" * 1000
PUBLISHED = movenet.SHA256
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def checksum(monkeypatch):
    monkeypatch.setattr(movenet, "SHA256", SHA256)


@pytest.fixture
def server(monkeypatch):
    """Serves the model."""
    with served({"/model": CONTENT}) as server:
        yield server


def fetch(cache, *, url, **options):
    """Fetches the model from another address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(movenet, "URL", url)
        return movenet.model_path(None, cache=cache, **options)


def refused(cache, **options):
    """Returns the line that says why nothing was fetched."""
    with pytest.raises(InputError) as error:
        fetch(cache, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_fetched_once_and_then_kept(server, tmp_path):
    cache = tmp_path / "new" / "cache"
    for _ in range(2):
        path = fetch(cache, url=url(server, "/model"))
        assert path == cache / "movenet_singlepose_lightning_int8_4.tflite"
        assert path.read_bytes() == CONTENT
        assert files.sha256(path) == SHA256
    assert server.asked == ["/model"]
    assert list(cache.iterdir()) == [path]


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/missing", "404"), ("/cut/model", "100 bytes read, 6900 more expected")],
)
def test_what_does_not_come_whole_is_not_kept(server, tmp_path, path, reason):
    line = refused(tmp_path, url=url(server, path))
    assert line.startswith(f"{url(server, path)}: cannot be fetched (")
    assert reason in line
    assert list(tmp_path.iterdir()) == []


def test_another_file_than_the_published_one_is_not_kept(server, tmp_path, monkeypatch):
    monkeypatch.setattr(movenet, "SHA256", "0" * 64)
    line = refused(tmp_path, url=url(server, "/model"))
    assert f"(7,000 bytes) has the SHA-256 {SHA256}, not {'0' * 64}" in line
    assert list(tmp_path.iterdir()) == []


def test_without_network_it_says_what_to_download_and_where_to_put_it(tmp_path):
    place = url_of_nobody()
    line = refused(tmp_path, url=place)
    assert line.startswith(f"{place}: cannot be fetched (")
    assert f"download it to {tmp_path / movenet.NAME} yourself" in line
    assert "--model" in line


def test_a_command_whose_flag_has_another_name_says_so(tmp_path):
    options = {"url": url_of_nobody(), "flag": "pose_model"}
    assert refused(tmp_path, **options).endswith("name a copy of it with --pose_model")
    (tmp_path / movenet.NAME).write_bytes(b"another")
    assert "or name a copy of it with --pose_model" in refused(tmp_path, **options)


def test_a_damaged_copy_is_named_and_left_to_its_owner(server, tmp_path):
    copy = tmp_path / movenet.NAME
    copy.write_bytes(CONTENT[:-1])
    line = refused(tmp_path, url=url(server, "/model"))
    assert line.startswith(f"{copy}: its SHA-256 is ")
    assert server.asked == []
    assert copy.read_bytes() == CONTENT[:-1]


def test_the_cache_is_where_the_system_keeps_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert download.default_cache() == tmp_path / ".cache" / "pg2_tf"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert download.default_cache() == tmp_path / "caches" / "pg2_tf"


def test_the_known_checksum_is_that_of_the_model(shared):
    assert files.sha256(shared / "models" / movenet.NAME) == PUBLISHED
