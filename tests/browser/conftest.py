"""A page of a browser with a user of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import patient, starter


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    with starter() as (chromium, how):
        browser = chromium.launch_persistent_context(
            str(tmp_path / "browser"), viewport={"width": 1180, "height": 900}, device_scale_factor=2, **how
        )
        try:
            yield patient(browser.pages[0] if browser.pages else browser.new_page())
        finally:
            browser.close()
