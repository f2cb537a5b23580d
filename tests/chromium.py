"""A headless Chromium for tests: where it is, how it is started, and how long a busy machine may take."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# a profile that talks to nobody by itself
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-default-apps"
).split()
PATIENCE = 180.0  # seconds


@contextlib.contextmanager
def starter() -> Iterator[tuple[Any, dict[str, Any]]]:
    """Playwright's Chromium and the words to launch it with; skips, with the reason, where there is no browser."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = os.environ.get("FATHOM_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH, and FATHOM_CHROMIUM is not set")
    with api.sync_playwright() as playwright:
        yield playwright.chromium, {"executable_path": path, "headless": True, "args": FLAGS}


def patient(page: Any) -> Any:
    """The page, which waits as long as a busy machine may need."""
    page.set_default_timeout(1000 * PATIENCE)
    return page
