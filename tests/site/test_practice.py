"""The practice page: the days of a year and the depth picture, from a log; a page that says how to begin without one."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from autograder import journal
from autograder.bugs.catalogue import catalogue
from autograder.curriculum import Curriculum
from autograder.site import practice

NOW = datetime(2026, 3, 4, 12, 0)


def log(course: Curriculum, days_ago: float, **event: Any) -> None:
    at = (NOW - timedelta(days=days_ago)).timestamp()
    assert journal.append(course.root, event, at) is None


def attempt(number: int, **parts: str) -> dict[str, Any]:
    fixed = {"kind": "attempt", "exercise": "sums", "source": "check", "seconds": 0, "points": 0, "out_of": 3}
    return {**fixed, "digest": f"d{number}", "parts": parts, "bugs": {}}


@pytest.fixture
def busy(course: Curriculum) -> Curriculum:
    """A course with a log of a month."""
    for number in range(6):
        log(course, 30 - number / 200, **attempt(number, total="failed"))
    log(course, 29.9, **attempt(9, total="passed", ratio="passed"))
    drill = {"kind": "drill", "exercise": "sums", "run": "r1"}
    log(course, 2, **drill, result="started", planted=["difference"], file="practice/x.ipynb", limit=15)
    log(course, 1.9999, **drill, result="solved", minutes=4)
    log(
        course, 1.999, kind="explanation", run="r1", exercise="sums", text="It **took away**. <script>alert(1)</script>"
    )
    log(course, 1, kind="session", minutes=50)
    return course


def made(course: Curriculum) -> dict[Path, str | bytes]:
    catalogues = {exercise.name: catalogue(exercise) for exercise in course.exercises}
    read = journal.read(course.root, NOW.timestamp())
    return practice.files(course, read, catalogues, NOW)


def test_an_empty_log_says_how_to_begin(course: Curriculum, html: Callable[[str], str]) -> None:
    files = made(course)
    assert set(files) == {Path("practice.md")}
    assert "Nothing is logged yet" in html(str(files[Path("practice.md")]))


def test_the_year_has_a_square_a_day_and_the_days_of_work_are_told(
    busy: Curriculum, html: Callable[[str], str]
) -> None:
    page = str(made(busy)[Path("practice.md")])
    (svg,) = re.findall(r"<svg.*?</svg>", page)
    squares = ElementTree.fromstring(svg).findall("rect")
    assert 365 <= len(squares) <= 371
    titles = {square.find("title").text: square for square in squares}  # type: ignore[union-attr]
    assert "2026-03-03: 50 minutes" in titles
    assert "var(--fathom-green)" in titles["2026-03-03: 50 minutes"].attrib["fill"]
    assert titles["2026-03-01"].attrib["fill"] == "currentColor"
    assert [title for title in titles if title and title.startswith("2026-02-02")] == ["2026-02-02: 36 minutes"]
    assert "3 of the last" in svg
    assert "<svg" in html(page)


def test_the_depth_picture_and_its_numbers(busy: Curriculum) -> None:
    files = made(busy)
    picture = files[practice.PICTURE]
    assert isinstance(picture, bytes)
    ElementTree.fromstring(picture)
    assert picture == made(busy)[practice.PICTURE]  # the same log gives the same bytes
    page = str(files[Path("practice.md")])
    assert f"({practice.PICTURE.as_posix()})" in page
    assert "| [Sums](phase1_foundations/sums.md) |" in page
    assert "1 of 1" in page


def test_explanations_are_shown_with_their_bugs_and_can_do_nothing(
    busy: Curriculum, html: Callable[[str], str]
) -> None:
    page = html(str(made(busy)[Path("practice.md")]))
    assert "<strong>took away</strong>" in page
    assert "<script" not in page
    assert "sums.md#bug-difference" in page


def test_a_day_in_two_parts_is_added_up_once(course: Curriculum) -> None:
    from autograder.journal.calendar import year_of

    for minute in (0, 10, 20):
        log(course, 5 - minute / 1440, kind="aha", file=f"{minute}.md")
    log(course, 5 - 20 / 1440, kind="session", minutes=20)
    for minute in (200, 205):
        log(course, 5 - minute / 1440, kind="aha", file=f"{minute}.md")
    days = year_of(journal.read(course.root, NOW.timestamp()).events, NOW)
    (day,) = [day for day in days if day.events]
    assert (day.minutes, day.events, days[-1].date) == (25.0, 6, NOW.date())
    assert days[0].date.weekday() == 0
