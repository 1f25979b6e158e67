"""A browser for the tests of pages: Chromium without a window. No tests."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
)


@contextmanager
def opened():
    """Opens playwright's own Chromium, or that of the system; skips without one."""
    with playwright.sync_playwright() as started:
        own = started.chromium.executable_path
        names = ("chromium", "chromium-browser", "google-chrome")
        places = [own if Path(own).exists() else None, *map(shutil.which, names)]
        place = next(filter(None, places), None)
        if place is None:
            pytest.skip("no Chromium here (playwright install chromium)")
        browser = started.chromium.launch(executable_path=place, args=["--no-sandbox"])
        yield browser
        browser.close()
