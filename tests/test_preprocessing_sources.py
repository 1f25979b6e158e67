"""The folder of one's own, how files are found, and the table of all sources."""

import inspect
import os

import pytest
from preprocessing_sources_helpers import touch

from preprocessing.sources import folder
from preprocessing.sources.samples import Notes, image_files
from preprocessing.sources.table import SOURCES
from preprocessing.system.errors import InputError


def people(root):
    notes = Notes()
    return [(s.name, s.identity) for s in folder.samples(root, notes)], notes


def test_folder_is_one_folder_a_person(tmp_path):
    touch(tmp_path, "anna/1.jpg", "anna/more/1.PNG", "ben/1.webp", "ben/notes.txt")
    touch(tmp_path, "loose.jpg")
    samples, notes = people(tmp_path)
    assert samples == [
        ("anna/1.jpg", "anna"),
        ("anna/more/1.PNG", "anna"),
        ("ben/1.webp", "ben"),
    ]
    assert notes.counts == {"images outside a person's folder skipped": 1}


def test_a_sample_reads_its_file_and_has_its_version(tmp_path):
    touch(tmp_path, "anna/1.jpg", "anna/22.jpg")
    first, second = folder.samples(tmp_path, Notes())
    assert (first.read(), second.read()) == (b"anna/1.jpg", b"anna/22.jpg")
    assert first.version != second.version


def test_hidden_files_and_what_archives_bring_along_are_passed_over(tmp_path):
    touch(tmp_path, "anna/1.jpg", "anna/._1.jpg", "anna/.DS_Store", ".trash/1.jpg")
    touch(tmp_path, "__MACOSX/anna/1.jpg", "anna/__MACOSX/1.jpg", ".1.jpg")
    samples, notes = people(tmp_path)
    assert samples == [("anna/1.jpg", "anna")]
    assert not notes.lines()


def test_a_hidden_folder_can_be_the_root(tmp_path):
    root = touch(tmp_path / ".hidden", "anna/1.jpg")
    assert people(root)[0] == [("anna/1.jpg", "anna")]


def test_a_folder_named_as_an_image_is_a_folder(tmp_path):
    touch(tmp_path, "anna/1.jpg/2.jpg")
    assert people(tmp_path)[0] == [("anna/1.jpg/2.jpg", "anna")]


def test_links_are_followed_and_circles_end(tmp_path):
    elsewhere = touch(tmp_path / "elsewhere", "1.jpg", "more/2.jpg")
    root = touch(tmp_path / "root", "ben/1.jpg")
    (root / "anna").symlink_to(elsewhere)
    (root / "ben" / "circle").symlink_to(root)
    (elsewhere / "more" / "circle").symlink_to(elsewhere)
    (root / "ben" / "lost.jpg").symlink_to(root / "nothing.jpg")
    samples, notes = people(root)
    assert samples == [
        ("anna/1.jpg", "anna"),
        ("anna/more/2.jpg", "anna"),
        ("ben/1.jpg", "ben"),
    ]
    assert notes.counts == {
        "folders that were reached twice read once": 2,
        "links to no file skipped": 1,
    }


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=rf"{tmp_path}/nowhere: cannot be read \(No"):
        image_files(tmp_path / "nowhere", Notes())


def test_every_source_of_the_table_can_be_used():
    assert SOURCES["market1501"].size == (128, 64)
    assert SOURCES["deepfashion"].size == SOURCES["folder"].size == (256, 256)
    for name, source in SOURCES.items():
        assert source.key("a/b.jpg") == source.key("a/b.png"), name
        assert set(source.options) <= set(inspect.signature(source.samples).parameters)


def test_names_that_are_not_utf8_are_passed_over_and_named(tmp_path):
    folder = tmp_path / "anna"
    folder.mkdir()
    (folder / "01.jpg").write_bytes(b"")
    try:
        (folder / os.fsdecode(b"m\xfcller.jpg")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system has no such names")
    notes = Notes()
    assert image_files(tmp_path, notes) == [folder / "01.jpg"]
    (line,) = notes.lines()
    assert "1 images whose names are not UTF-8 skipped" in line
    assert "m\\udcfcller.jpg" in line.encode("utf-8").decode()
