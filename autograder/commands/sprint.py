"""`fathom sprint`: one thing to do, a quiet timer, and a line in the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from autograder.commands.course import load
from autograder.commands.practising import failures, warn

if TYPE_CHECKING:
    from autograder.practice.sprint import Task
    from autograder.practice.standing import Practice

LEAST = 0.05  # minutes; what was ended sooner was no sprint


def run(minutes: float) -> int:
    """Pick, wait, log."""
    from autograder import journal, remembering
    from autograder.commands.watch import ended_by_signals
    from autograder.practice import sprint
    from autograder.practice.standing import practice
    from autograder.render.progress import progress
    from autograder.render.terminal import console

    course = load()
    at = practice(course, time.time())
    warn(at.log.concerns())
    known = frozenset(event.id for event in at.log.events)
    task = sprint.pick(at)
    screen = console()
    with failures():
        for line in begin(at, task):
            screen.print(line, soft_wrap=True)
    screen.print(f"{minutes:g} minutes from now on. Ctrl-C ends it sooner.", style="dim")
    worked = 0.0
    with ended_by_signals(), progress("sprint") as tick:
        worked = sprint.wait(minutes, tick)
    if worked < LEAST:
        screen.print("Ended before it began; nothing is logged.", style="dim")
        return 0
    if remembering.enabled():
        warn([journal.session(course.root, worked, task.exercise.name if task.exercise else None)])
    done = sprint.done_since(journal.read(course.root).events, known)
    told = ", ".join(done) or "nothing in the log yet, which a sprint of thinking may well leave"
    screen.print(f"{worked:.0f} minutes: {told}." if worked >= 1 else f"Less than a minute: {told}.", soft_wrap=True)
    return 0


def begin(at: Practice, task: Task) -> list[str]:
    """Prepare what a task needs; sentences that say what it is and where."""
    from autograder import remembering
    from autograder.practice import review

    if task.exercise is None:
        return ["Everything passes and nothing is due. Drill a bug, or write about what you know: fathom aha."]
    title = task.exercise.title
    if task.run is not None:
        return [f"Go on with the {task.run.kind} of {title}: {task.run.file}"]
    if task.card is not None and task.card.kind == "bug":
        return [f"A bug of {title} is due: `fathom drill {task.exercise.name}` plants it."]
    if task.card is not None and remembering.enabled():
        begun = review.begin(at, task.exercise, task.exercise.part(task.part))
        warn([begun.warning])
        return [
            f"Due again: {title}, {begun.part.title}. The stub is in {begun.run.file}.",
            "`fathom review --check` in another terminal grades it.",
        ]
    part = task.exercise.part(task.part)
    return [f"Open: {title}, {part.title}. `fathom learn {task.exercise.name}` opens the notebook."]
