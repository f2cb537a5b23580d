"""The gallery shows what each bug makes the checks see: figures drawn by running the bugs, once per content."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autograder import curriculum
from autograder.bugs.catalogue import catalogue
from autograder.site import gallery, seen

COURSE = Path(__file__).resolve().parents[1] / "course"


def test_bugs_are_run_once_and_those_with_numbers_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(COURSE, tmp_path / "course", ignore=shutil.ignore_patterns(".fathom"))
    course = curriculum.load(tmp_path / "course")
    told: list[str] = []
    found = seen.figures(course, told.append)["tally"]
    assert told == ["meeting every bug of tally"]
    bugs = {bug.id for bug in catalogue(course.exercise("tally")).bugs}
    assert found and set(found) <= bugs
    assert all(picture.startswith(b"\x89PNG") for picture in found.values())
    assert seen.figures(course, told.append)["tally"] == found
    assert len(told) == 1

    page = gallery.gallery(course.exercise("tally"), catalogue(course.exercise("tally")), "../figures/tally", found)
    assert page.count("What the checks saw") == len(found)
    assert all(f"../figures/tally/bug-{bug}.png" in page for bug in found)


def test_what_is_kept_belongs_to_the_content(tmp_path: Path) -> None:
    shutil.copytree(COURSE, tmp_path / "course", ignore=shutil.ignore_patterns(".fathom"))
    course = curriculum.load(tmp_path / "course")
    exercise = course.exercise("tally")
    seen.keep(seen.folder(course, exercise), {"old": b"\x89PNG"})
    before = seen.folder(course, exercise)
    exercise.checks.write_text(exercise.checks.read_text() + "\n# changed\n")
    assert seen.folder(course, exercise) != before
    seen.keep(seen.folder(course, exercise), {"new": b"\x89PNG"})
    assert not before.exists() and list(seen.kept(seen.folder(course, exercise))) == ["new"]
