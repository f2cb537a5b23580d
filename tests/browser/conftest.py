"""A headless Chromium, where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import FLAGS

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """A page of a browser with a user of its own."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            str(tmp_path / "browser"),
            executable_path=path,
            headless=True,
            args=FLAGS,
            viewport={"width": 1180, "height": 900},
            device_scale_factor=2,
        )
        try:
            yield browser.pages[0] if browser.pages else browser.new_page()
        finally:
            browser.close()
