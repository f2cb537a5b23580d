"""The pages of this repository in a real browser: nothing is asked of another host, and every formula can be set."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from chromium import patient, starter

from autograder.curriculum import load
from autograder.site import build
from autograder.site.lesson import place

pytestmark = [pytest.mark.browser, pytest.mark.long(7)]

ROOT = Path(__file__).resolve().parents[2]


class Silent(SimpleHTTPRequestHandler):
    """A server of files that does not log."""

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class Visit:
    """A browser's page, and all that it asked for and complained about."""

    page: Any
    home: str
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def go(self, path: str) -> Any:
        """Open a page of the site and wait until it is quiet."""
        self.page.goto(self.home + path, wait_until="networkidle")
        return self.page

    def failed(self, sent: Any) -> None:
        """Note a request that failed; one that the browser gave up itself, on its way to the next page, is none."""
        if sent.failure != "net::ERR_ABORTED":
            self.wrong.append(f"failed: {sent.url}")

    def elsewhere(self) -> list[str]:
        """What was asked of any other host."""
        return [url for url in self.asked if not url.startswith((self.home, "data:", "blob:" + self.home))]


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def pages(said: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="the site needs mkdocs-material")
    return build(ROOT, progress=said.append, into=tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def home(pages: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(pages)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with starter() as (chromium, how):
        browser = chromium.launch(**how)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, home: str) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    found = Visit(patient(context.new_page()), home)
    found.page.on("request", lambda sent: found.asked.append(sent.url))
    found.page.on("requestfailed", found.failed)
    found.page.on("response", lambda got: found.wrong.append(f"{got.status}: {got.url}") if got.status >= 400 else None)
    found.page.on("pageerror", lambda error: found.wrong.append(str(error)))
    found.page.on("console", lambda line: found.wrong.append(line.text) if line.type in ("error", "warning") else None)
    yield found
    context.close()


def paths() -> list[str]:
    """Every page of the site, as the browser asks for it."""
    lessons = [place(exercise).with_suffix("").as_posix() + "/" for exercise in load(ROOT).exercises]
    return ["", *lessons, "practice/", "ahas/"]


def test_no_page_asks_another_host_or_complains(visit: Visit) -> None:
    for path in paths():
        page = visit.go(path)
        assert page.locator("h1").count() == 1, path
    assert visit.elsewhere() == []
    assert visit.wrong == []


def test_dark_colours_ask_nobody_either(visit: Visit) -> None:
    visit.page.emulate_media(color_scheme="dark")
    for path in paths()[:2]:
        page = visit.go(path)
        assert page.locator("body").get_attribute("data-md-color-scheme") == "slate"
    assert visit.elsewhere() == []
    assert visit.wrong == []


def test_every_formula_can_be_set(visit: Visit, said: list[str]) -> None:
    missing = [line for line in said if "LaTeX source" in line]
    if missing:
        pytest.skip(missing[0])
    for path in paths()[:-1]:  # the aha log's LaTeX is the learner's own affair
        page = visit.go(path)
        assert page.locator(".katex-error").all_inner_texts() == [], path
        assert (
            page.locator(".arithmatex").count() == page.locator(".arithmatex > :is(.katex, .katex-display)").count()
        ), path


EVERY_PICTURE = """async () => {
    const images = [...document.images];
    for (const image of images) image.loading = "eager";  // those behind a click as well
    await Promise.all(images.map(i => i.complete || new Promise(done => { i.onload = i.onerror = done; })));
    return images.filter(i => !i.naturalWidth).map(i => i.src);
}"""


def test_every_picture_is_there(visit: Visit) -> None:
    for path in paths():
        page = visit.go(path)
        broken = page.evaluate(EVERY_PICTURE)
        assert broken == [], path


def test_searching_answers_from_the_site_itself(visit: Visit) -> None:
    page = visit.go("")
    page.locator(".md-search__input").first.click()
    page.keyboard.type("predict")
    page.locator(".md-search-result__item").first.wait_for()
    assert visit.elsewhere() == []


def test_a_solution_opens_on_a_click(visit: Visit) -> None:
    page = visit.go(paths()[1])
    spoiler = page.locator(".part details.success").first
    assert not spoiler.locator("pre").is_visible()
    spoiler.locator("summary").click()
    assert spoiler.locator("pre").is_visible()


def test_no_page_is_wider_than_a_phone(browser: Any, home: str) -> None:
    context = browser.new_context(viewport={"width": 375, "height": 700})
    page = patient(context.new_page())
    for path in paths():
        page.goto(home + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path
    context.close()
