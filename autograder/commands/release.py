"""`fathom release`."""

from __future__ import annotations

from pathlib import Path

from autograder.commands.course import fail, load


def run(folder: Path) -> int:
    """Write the repository for a class; 2 where that cannot be done."""
    from autograder.judge.grading import JudgeError
    from autograder.lesson import CurriculumError
    from autograder.release import NotReleased, release
    from autograder.render.progress import progress
    from autograder.render.terminal import console

    course = load()
    try:
        with progress("releasing") as tick:
            names = release(course, folder, tick)
    except (NotReleased, CurriculumError, JudgeError, OSError) as error:
        fail(str(error))
    console().print(f"✓ {len(names)} exercises in {folder}, without solutions; checks, hints and diagnosis work there")
    return 0
