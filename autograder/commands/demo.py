"""`fathom demo`: the first exercise on a copy — blank, a wrong answer that is named, the right one."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.commands.course import load

if TYPE_CHECKING:
    from autograder.bugs.catalogue import Bug
    from autograder.curriculum import Exercise
    from autograder.judge.session import Judge
    from autograder.notebook import Cell

EXERCISE, BUG = "backprop_engine", "gradient-overwritten"  # the act in the middle
PAUSE = 0.6  # seconds between the acts, so that they can be read


def run() -> int:
    """Play the demo; nothing of the learner's is read or written."""
    from autograder.judge.session import with_judge
    from autograder.render.terminal import console

    course = load()
    exercise = course.exercise(EXERCISE)
    screen = console()
    screen.print(f"Fathom on a copy of exercise {exercise.number}, {exercise.title}", style="bold")
    screen.print("Warming up torch and the checks (a few seconds, once) …", style="dim")
    with tempfile.TemporaryDirectory(prefix="fathom-demo-") as folder:
        return with_judge(course, [exercise], lambda judge: acts(judge, exercise, Path(folder)))


def acts(judge: Judge, exercise: Exercise, folder: Path) -> int:
    """The three acts."""
    from autograder.bugs.catalogue import catalogue, mutated
    from autograder.bugs.diagnosis import Diagnostician
    from autograder.judge.examine import Request
    from autograder.notebook import read
    from autograder.notebook.versions import blank_cells
    from autograder.render.progress import progress
    from autograder.render.terminal import console, report_view

    screen = console()
    doctor = Diagnostician(judge, progress)
    if doctor.lacking(exercise):
        screen.print("Meeting every bug of the catalogue once, to know each by what it does …", style="dim")
        doctor.learn(exercise)
    scenes: list[tuple[str, tuple[Cell, ...]]] = [
        ("The blank exercise. Every part waits to be written.", blank_cells(exercise)),
    ]
    if not exercise.released:
        bug = catalogue(exercise).bug(BUG)
        scenes += [
            (f"A wrong answer. Somebody wrote\n\n{indented(bug)}\n", mutated(exercise, bug)),
            ("The right answer.", read(exercise.source)),
        ]
    passed = False
    for number, (caption, cells) in enumerate(scenes, 1):
        began = time.perf_counter()
        graded = doctor.one(Request(exercise, f"demo {number}", cells=cells))
        took = time.perf_counter() - began
        screen.print(f"\n{number}. {caption}", style="bold")
        screen.print(report_view(graded.report))
        screen.print(f"  (graded in {1000 * took:.0f} ms)", style="dim")
        passed = graded.report.passed
        time.sleep(PAUSE if screen.is_terminal else 0)
    if exercise.released:
        screen.print("\nThis copy came without solutions: the wrong and the right answer are for you to write.")
    screen.print("\nYour turn: `make learn` in a terminal opens the first notebook.", style="bold")
    return 0 if passed or exercise.released else 1


def indented(bug: Bug) -> str:
    """The wrong lines, as the demo shows them."""
    return "\n".join(f"      {line.strip()}" for line in bug.replace.strip().splitlines())
