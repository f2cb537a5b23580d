"""`fathom learn`: JupyterLab on the next exercise, and a verdict in the terminal on every save."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from autograder.commands.course import chosen, fail, load
from autograder.commands.watch import ended_by_signals, judged

if TYPE_CHECKING:
    from autograder.curriculum import Curriculum, Exercise
    from autograder.learning import Lab


def run(name: str | None, browser: bool) -> int:
    """Learn until Ctrl-C or until JupyterLab is shut down."""
    from autograder.learning import LabError, lab
    from autograder.watching import AlreadyWatched, alone

    course = load()
    exercise = chosen(course, [name])[0] if name else upcoming(course)
    with ended_by_signals():
        try:
            with alone(course.root):
                prepare(exercise)
                with lab(course.root, exercise.notebook, browser) as running:
                    study(course, exercise, running)
        except (AlreadyWatched, LabError) as error:
            fail(str(error))
    return 0


def study(course: Curriculum, exercise: Exercise, running: Lab) -> None:
    """Say where JupyterLab is, and judge beside it until it ends."""
    from autograder.judge.grading import JudgeError
    from autograder.render.terminal import console

    screen = console()
    screen.print(f"Exercise {exercise.number}, {exercise.title}: {exercise.question}", style="bold")
    screen.print(f"JupyterLab: {running.address()}", soft_wrap=True)
    ended = threading.Event()

    def wait() -> None:
        running.process.wait()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    judgeable = [other for other in course.exercises if other.checks.is_file()]
    try:
        judged(course, judgeable, "Judging beside it", ended)
    except JudgeError as error:
        screen.print(f"There will be no verdicts here: {error}\nJupyterLab goes on; Ctrl-C ends it.", style="yellow")
        ended.wait()
    if ended.is_set():
        screen.print("JupyterLab has ended.", style="dim")


def upcoming(course: Curriculum) -> Exercise:
    """The exercise of the first part that does not pass yet; the first of all where every one does."""
    from autograder import journal

    if not course.exercises:
        fail(f"there are no exercises in {course.root}")
    order = [(exercise.name, [part.name for part in exercise.parts]) for exercise in course.exercises]
    step = journal.standing(course.root).next_step(order)
    return course.exercise(step[0]) if step else course.exercises[0]


def prepare(exercise: Exercise) -> None:
    """Build the notebook where there is none."""
    from autograder.notebook import publish
    from autograder.render.terminal import console

    if not exercise.notebook.exists():
        console().print(publish(exercise), style="dim")
