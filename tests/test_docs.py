"""Runs the code blocks of the README and the pages, in a folder of small data.

A comment before each block says whether it is run: `<!-- run -->`, `<!-- run with:
FLAGS -->` to add flags to every command of this project, or `<!-- not run: REASON
-->`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import build_people

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>.*?) -->\n)?^```(?P<language>bash|python)\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"run|run with: (?P<flags>--\S.*)|not run: \S.*", re.DOTALL)
_COMMAND = re.compile(r"^python -m (?:pg2_tf|preprocessing)\b.*$", re.MULTILINE)


class Block(NamedTuple):
    page: str
    line: int
    mark: str
    language: str
    code: str


def blocks_of(page):
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("code"))
        mark = " ".join((match["mark"] or "").split())
        yield Block(page.name, line, mark, match["language"], match["code"])


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def is_run(block):
    return block.mark.startswith("run")


def test_every_block_says_whether_it_is_run():
    assert BLOCKS
    unmarked = [
        f"{block.page}:{block.line}"
        for block in BLOCKS
        if not _MARK.fullmatch(block.mark)
    ]
    assert not unmarked


def test_links_lead_to_files():
    for page in PAGES:
        links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        for link in links:
            if "://" not in link and not link.startswith("mailto:"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a data set and a trained run under the names that the pages use."""
    folder = tmp_path_factory.mktemp("docs")
    build_people(folder / "data" / "market1501", size=(128, 64))
    small = "--width=4 --batch_size=2 --steps=2 --num_validation_pairs=2"
    execute("bash", f"python -m pg2_tf.train --dataset=market1501 {small}", folder)
    execute(
        "bash",
        "python -m preprocessing.draw_person --seed=7 --image_size=128x64 --out=person",
        folder,
    )
    (folder / "tests").symlink_to(ROOT / "tests")
    return folder


def execute(language, code, folder):
    """Runs code in a folder, and fails with its output where it fails."""
    command = ["bash", "-euo", "pipefail", "-c", code]
    if language == "python":
        command = [sys.executable, "-c", code]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}"


@pytest.mark.parametrize("page", sorted({b.page for b in BLOCKS if is_run(b)}))
def test_the_blocks_of_a_page_run(page, place):
    for block in BLOCKS:
        if block.page != page or not is_run(block):
            continue
        code = block.code
        flags = _MARK.fullmatch(block.mark)["flags"]
        if flags:
            code = _COMMAND.sub(rf"\g<0> {flags}", code.replace("\\\n", " "))
        execute(block.language, code, place)


def test_the_notebook_runs(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "docs" / "pg2.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    resources = {"metadata": {"path": str(tmp_path)}}
    runner = client.NotebookClient(notebook, timeout=600, resources=resources)
    runner.execute(env=environment)
    assert (tmp_path / "pg2.keras").exists()
