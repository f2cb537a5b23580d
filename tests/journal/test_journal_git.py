"""Two machines and one repository: git merges their logs and entries without a conflict and without a loss."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from autograder import journal
from autograder.journal.log import place
from autograder.practice.outcomes import Fold, outcomes_of
from autograder.practice.runs import runs_of
from autograder.practice.schedule import cards_of

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "L",
    "GIT_AUTHOR_EMAIL": "l@example.org",
    "GIT_COMMITTER_NAME": "L",
    "GIT_COMMITTER_EMAIL": "l@example.org",
}


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def commit(learner: Any) -> None:
    git(learner.root, "add", "-A")
    git(learner.root, "commit", "-qm", "work")


def meet(first: Any, second: Any) -> None:
    """Both bring their work together, the second by a merge."""
    commit(first), commit(second)
    git(first.root, "push", "-q", "origin", "main")
    git(second.root, "pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
    git(second.root, "push", "-q", "origin", "main")
    git(first.root, "pull", "-q", "--no-rebase", "origin", "main")
    assert place(first.root).read_bytes() == place(second.root).read_bytes()
    assert b"<<<<" not in place(first.root).read_bytes()


@pytest.fixture
def machines(tmp_path, at_work) -> tuple[Any, Any]:
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "shared.git")
    git(tmp_path, "clone", "-q", "shared.git", "laptop")
    laptop = at_work(tmp_path / "laptop")
    git(laptop.root, "checkout", "-q", "-B", "main")
    shutil.copy(ROOT / ".gitattributes", laptop.root)
    laptop.tries(0, "start", add="failed")
    commit(laptop)
    git(laptop.root, "push", "-q", "origin", "main")
    git(tmp_path, "clone", "-q", "shared.git", "desktop")
    return laptop, at_work(tmp_path / "desktop")


def digests(learner: Any) -> list[str]:
    return [event.digest for event in learner.log().events if event.kind == "attempt"]


def test_both_sides_lines_stay_in_the_order_of_time(machines, noon):
    laptop, desktop = machines
    laptop.tries(1, "l1", add="passed"), laptop.tries(5, "l5", add="passed")
    desktop.tries(2, "d2", add="crashed"), desktop.tries(3, "d3", add="failed")
    meet(laptop, desktop)
    assert digests(laptop) == ["start", "l1", "d2", "d3", "l5"]
    assert journal.standing(laptop.root, noon + timedelta(hours=1)).passed("backprop_engine") == {"add"}
    desktop.tries(6, "d6", add="passed", mul="failed"), laptop.tries(7, "l7", add="failed")
    meet(desktop, laptop)
    assert digests(desktop) == ["start", "l1", "d2", "d3", "l5", "d6", "l7"]
    assert desktop.log().broken == ()


def test_a_clock_that_is_behind_does_not_undo_the_other_machines_order(machines):
    laptop, desktop = machines
    laptop.tries(1, "l1", add="failed"), laptop.tries(-9999, "l2", add="crashed"), laptop.tries(4, "l4", add="passed")
    desktop.tries(2, "d2", add="failed")
    meet(laptop, desktop)
    assert digests(laptop) == ["start", "l1", "l2", "d2", "l4"]


def test_a_clock_that_is_ahead_does_not_undo_it_either(machines):
    laptop, desktop = machines
    laptop.tries(1, "l1", add="failed"), laptop.tries(9999, "l2", add="crashed"), laptop.tries(4, "l4", add="passed")
    desktop.tries(2, "d2", add="failed"), desktop.tries(6, "d6", add="passed")
    meet(laptop, desktop)
    assert [event.digest for event in laptop.log(10).events] == ["start", "l1", "l2", "d2", "l4", "d6"]


def test_a_torn_line_on_both_machines_costs_that_line_only(machines):
    laptop, desktop = machines
    laptop.tries(1, "torn", add="passed")
    place(laptop.root).write_bytes(place(laptop.root).read_bytes()[:-30])
    commit(laptop)
    git(laptop.root, "push", "-q", "origin", "main")
    git(desktop.root, "pull", "-q", "origin", "main")
    laptop.tries(2, "l2", add="failed"), desktop.tries(3, "d3", add="crashed")
    meet(laptop, desktop)
    assert digests(laptop) == ["start", "l2", "d3"]
    assert [mark.where for mark in laptop.log().broken] == [2]


def test_a_line_torn_just_before_the_merge_swallows_no_other(machines):
    laptop, desktop = machines
    laptop.tries(1, "l1", add="passed"), laptop.tries(2, "torn", add="failed")
    place(laptop.root).write_bytes(place(laptop.root).read_bytes()[:-30])
    desktop.tries(3, "d3", add="crashed")
    meet(laptop, desktop)
    assert digests(laptop) == ["start", "l1", "d3"]
    assert len(laptop.log().broken) == 1


def test_hundreds_of_lines_on_both_sides_and_entries_of_one_day_meet(machines, noon):
    laptop, desktop = machines
    for machine, name in ((laptop, "l"), (desktop, "d")):
        for number in range(150):
            machine.tries(number + 1, f"{name}{number}", add=("failed", "passed")[number % 2])
        for text in ("🙂", "Every path adds to the gradient."):
            journal.aha(machine.root, text, "backprop_engine", "add", noon)
    meet(laptop, desktop)
    assert sorted(digests(desktop)) == sorted(["start", *(f"{n}{i}" for n in "ld" for i in range(150))])
    assert len(journal.read_all(laptop.root).entries) == 4


def test_drills_and_reviews_of_two_machines_give_one_schedule(machines, noon):
    laptop, desktop = machines
    laptop.tries(1, "l1", add="passed", mul="passed"), desktop.tries(2, "d1", add="failed")
    meet(laptop, desktop)
    for machine, kind, about, minute in (
        (laptop, "drill", {"planted": ["sign"]}, 20_000),
        (desktop, "review", {"part": "add"}, 20_010),
        (desktop, "drill", {"planted": ["sign", "scale"]}, 30_000),
        (laptop, "review", {"part": "mul"}, 30_005),
    ):
        event = {"kind": kind, "exercise": "backprop_engine", "run": f"{kind}{minute}"}
        for number, result in enumerate(({"result": "started", **about}, {"result": "failed"}, {"result": "solved"})):
            journal.append(machine.root, {**event, **result}, machine.at(minute + number))
    journal.append(desktop.root, {"kind": "explanation", "run": "drill30000", "text": "é 🙂\n{}"}, desktop.at(30_009))
    meet(laptop, desktop)

    def plan(learner: Any) -> list[Any]:
        events = learner.log().events
        runs = runs_of(events)
        assert [run.id for run in runs] == ["drill20000", "review20010", "drill30000", "review30005"]
        assert all(run.result == "solved" and run.failed == 1 for run in runs)
        assert runs[2].explanation == "é 🙂\n{}"
        return cards_of(outcomes_of(Fold().add(events), runs), learner.at(60 * 24 * 60))

    assert plan(laptop) == plan(desktop)
    assert {card.name for card in plan(laptop)} == {"add", "mul", "sign", "scale"}
