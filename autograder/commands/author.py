"""`fathom verify` and `fathom build`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.commands.course import chosen, fail, load, load_with_solutions

if TYPE_CHECKING:
    from autograder.verify import Proof


def verify(names: Sequence[str], as_json: bool, notebooks: bool) -> int:
    """Prove exercises and say what was found; 0 where nothing was."""
    from autograder.judge.grading import JudgeError
    from autograder.render.progress import progress
    from autograder.verify import prove_all

    course = load_with_solutions("a proof begins with them; `fathom check` grades your notebook")
    exercises = chosen(course, names)
    try:
        with progress("proving", quiet=as_json) as tick:
            proofs = prove_all(course, exercises, notebooks, tick)
    except JudgeError as error:
        fail(str(error))
    if as_json:
        print(json.dumps({"exercises": [proof.as_json() for proof in proofs]}))
    else:
        show(proofs)
    return 1 if any(proof.findings for proof in proofs) else 0


def show(proofs: Sequence[Proof]) -> None:
    """Proofs as a table, findings below it."""
    from rich.table import Table

    from autograder.render.terminal import console

    screen = console()
    table = Table(box=None, pad_edge=False)
    headings = (
        "exercise",
        "parts",
        "checks",
        "bugs rejected",
        "named",
        "in other words",
        "variants accepted",
        "seconds",
    )
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for p in proofs:
        table.add_row(
            p.exercise,
            str(p.parts),
            str(p.checks),
            f"{p.rejected}/{p.bugs}",
            f"{p.named_first}/{p.bugs}",
            f"{p.other_words_named}/{p.other_words}",
            f"{p.accepted}/{p.variants}",
            f"{p.seconds:.1f}",
        )
    screen.print(table)
    for p in proofs:
        for finding in p.findings:
            screen.print(f"✗ {p.exercise}: {finding}", style="red")
    if not any(p.findings for p in proofs):
        screen.print("✓ every bug is rejected and named, every right variant accepted", style="green")


NBGRADER = "from autograder.classroom.autograde import configure\nconfigure(get_config())\n"


def build(names: Sequence[str]) -> int:
    """Write the blank notebooks, bring those that are there up to date, and the map in README.md with them."""
    from autograder.notebook import Unreadable, publish
    from autograder.render.terminal import console
    from autograder.site import NoMarkers, refresh_readme

    course = load()
    screen = console()
    for exercise in chosen(course, names):
        try:
            screen.print(publish(exercise))
        except Unreadable as error:
            fail(str(error))
    try:
        if refresh_readme(course):
            screen.print("README.md: the map is as the folders are")
    except NoMarkers as error:
        screen.print(str(error), style="yellow")
    return 0


def build_for_nbgrader(names: Sequence[str], course_folder: Path) -> int:
    """Write notebooks with marked solutions into an nbgrader course, each an assignment: source/NAME/NN_NAME.ipynb.

    `nbgrader generate_assignment NAME` makes the release version from them; learners' own notebooks are untouched.
    """
    from autograder.notebook import write_atomic
    from autograder.notebook.build import solved
    from autograder.notebook.files import dumps
    from autograder.render.terminal import console

    course = load_with_solutions("nbgrader's instructor versions contain them")
    for exercise in chosen(course, names):
        place = course_folder / "source" / exercise.name / exercise.notebook.name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(place, dumps(solved(exercise)))
        except OSError as error:
            fail(f"{place} could not be written: {error.strerror or error}")
        console().print(f"{place} is written; next: nbgrader generate_assignment {exercise.name}", soft_wrap=True)
    console().print(configure_nbgrader(course_folder), soft_wrap=True)
    return 0


def configure_nbgrader(course_folder: Path) -> str:
    """Have a course graded in locked workers, unless it has a configuration of its own; returns what was done."""
    place = course_folder / "nbgrader_config.py"
    if not place.exists():
        place.write_text(NBGRADER, encoding="utf-8")
        return f"{place} is written: `nbgrader autograde` runs nothing of a submission in a kernel."
    if "autograder.classroom.autograde" in place.read_text(encoding="utf-8"):
        return f"{place} has submissions graded in locked workers."
    return f"{place} is yours; with these two lines at its end `nbgrader autograde` is safe:\n{NBGRADER}"
