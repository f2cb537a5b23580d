"""The same promise on a real exercise: hostile engines among honest ones, graded together by the locked grader."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from engine_attacks import ENGINES
from hostile_class import REPOSITORY, as_script, by_student, grade, told, unguarded

from autograder import curriculum
from autograder.bugs.catalogue import catalogue, mutated
from autograder.notebook import read
from autograder.observe import locked

EXERCISE, BUG = "backprop_engine", "gradient-overwritten"
PHASE = "phase1_foundations"


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], str]:
    """What the whole class got, what the honest got alone, and what was said on stderr."""
    try:
        locked.command()
    except locked.NoLock as reason:
        pytest.skip(str(reason))
    place = tmp_path_factory.mktemp("engines")
    bare = place / "bare"
    shutil.copytree(REPOSITORY / "solutions" / PHASE / EXERCISE, bare / "solutions" / PHASE / EXERCISE)
    checks = Path("autograder", "checks", PHASE)
    (bare / checks).mkdir(parents=True)
    shutil.copy(REPOSITORY / checks / f"test_{EXERCISE}.py", bare / checks)
    course = unguarded(bare, place / "course")
    exercise = curriculum.load(course).exercise(EXERCISE)
    honest = {"honest-right": read(exercise.source), "honest-wrong": mutated(exercise, catalogue(exercise).bug(BUG))}
    written = {name: as_script(cells) for name, cells in honest.items()}
    everyone = write(place / "class", written | {engine.name: engine.source for engine in ENGINES})
    together = grade("me", course, everyone, place / "out")
    alone = grade("me", course, write(place / "few", written), place / "alone")
    return by_student(together, everyone), by_student(alone, place / "few"), together.stderr


def write(folder: Path, scripts: dict[str, str]) -> Path:
    """A class: a folder for each, with one script."""
    for name, source in scripts.items():
        (folder / name).mkdir(parents=True)
        (folder / name / f"{EXERCISE}.py").write_text(source, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", [engine.name for engine in ENGINES])
def test_a_hostile_engine_earns_nothing(reports: Any, name: str) -> None:
    report = reports[0][name]
    assert report["error"] is None
    assert report["points"] == 0, [(p["part"], p["outcome"], p["message"]) for p in report["parts"] if p["points"]]


def test_honest_engines_get_what_they_get_alone(reports: Any) -> None:
    together, alone, _ = reports
    for name, report in alone.items():
        assert told(together[name]) == told(report)
    assert together["honest-right"]["points"] == together["honest-right"]["out_of"]
    assert {part["bug"] for part in together["honest-wrong"]["parts"]} >= {BUG}


def test_no_engine_leaves_a_process(reports: Any) -> None:
    assert "left behind: 0" in reports[2]
