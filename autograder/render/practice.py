"""Drills, reviews and depth in the terminal."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autograder.practice.runs import Run
from autograder.practice.symptoms import Symptom, symptoms
from autograder.render.symptoms import listed
from autograder.render.text import tame

if TYPE_CHECKING:
    from autograder.curriculum import Exercise
    from autograder.judge.report import Report
    from autograder.practice import review
    from autograder.practice.drill import Begun
    from autograder.practice.planting import Planted
    from autograder.practice.standing import Practice

ROWS = 12  # due cards that are listed
DAY = 86_400.0


def drill_view(begun: Begun) -> RenderableType:
    """A drill at its start: what was noticed, what the checks saw, and where the cells are."""
    run, made = begun.run, begun.planted
    count = "one bug" if len(made.bugs) == 1 else f"{len(made.bugs)} bugs"
    rows: list[RenderableType] = [Text(f"Drill: {made.exercise.title}, {count}, {run.limit:g} minutes", "bold")]
    rows += [Padding(Text(bug.symptom), (0, 0, 0, 2)) for bug in made.bugs]
    rows.append(symptoms_view(begun.symptoms))
    rows.append(Text(f"The cells and a picture of this: {run.file}"))
    rows.append(Text("`fathom drill --check` grades it; --hint asks a question, --give-up shows the reverse.", "dim"))
    return Group(*rows)


def symptoms_view(seen: Sequence[Symptom]) -> RenderableType:
    """Failing checks with what came and what should have come."""
    table = Table.grid(padding=(0, 2))
    for check, got, want in listed(seen):
        table.add_row(Text(f"  ✗ {check}"), Text(got, "red"), Text(want, "green"))
    return table


def again_view(run: Run, report: Report) -> RenderableType:
    """A drill or a review that is not solved yet."""
    rows: list[RenderableType] = [Text(f"Not yet: {clock(run)}.", "bold")]
    seen = symptoms(report)
    if seen:
        rows.append(symptoms_view(seen))
    waiting = [part for part in report.parts if part.outcome != "passed" and not part.checks]
    rows += [Text(f"  · {part.part}: {tame(part.message)}") for part in waiting]
    rows += [Text(f"  note: {tame(note)}", style="yellow") for note in report.notes]
    return Group(*rows)


def solved_view(run: Run, made: Planted) -> RenderableType:
    """A drill that is solved: the beliefs behind the bugs, and what to do with that."""
    rows: list[RenderableType] = [Text(f"✓ Solved: {clock(run)}.", "green")]
    rows += [Padding(Text(bug.misconception, "italic"), (0, 0, 0, 2)) for bug in made.bugs]
    if not run.explanation:
        rows.append(Text('What was it, in your own words? fathom drill --explain "…"', "dim"))
    return Group(*rows)


def reverse_view(run: Run, made: Planted) -> RenderableType:
    """What was planted, and its reverse."""
    rows: list[RenderableType] = [Text(f"It was this ({clock(run)}):", "bold")]
    for bug in made.bugs:
        rows += [Padding(Text(bug.misconception, "italic"), (1, 0, 0, 2)), Padding(Text(bug.question), (0, 0, 0, 2))]
        rows.append(Padding(diff_view(bug.replace, bug.find), (0, 0, 0, 4)))
    rows.append(Text('\nIt comes back in a day or two. In your own words: fathom drill --explain "…"', "dim"))
    return Group(*rows)


def diff_view(before: str, after: str) -> Text:
    """What takes a bug out again, line by line."""
    old, new = (textwrap.dedent(text).strip("\n").split("\n") for text in (before, after))
    shown = Text()
    for line in list(difflib.unified_diff(old, new, n=2, lineterm=""))[3:]:
        colour = {"+": "green", "-": "red"}.get(line[:1], "")
        shown.append(line + "\n", colour)
    return shown


def clock(run: Run) -> str:
    """How long a run took and what it took."""
    words = [f"{run.minutes:g} of {run.limit:g} minutes" if run.limit else f"{run.minutes:g} minutes"]
    words += [f"{run.failed} failing {'check' if run.failed == 1 else 'checks'}"] if run.failed else []
    words += [f"{run.hints} {'hint' if run.hints == 1 else 'hints'}"] if run.hints else []
    return ", ".join(words)


def due_view(at: Practice) -> RenderableType:
    """What is due, the most forgotten first, and what comes next."""
    from autograder.practice.review import following

    due = at.due()
    if not due:
        return Text(f"Nothing is due. {following(at)}")
    table = Table(box=None, pad_edge=False)
    for heading in ("due", "exercise", "what", "still known", "last", "how it went"):
        table.add_column(heading, justify="right" if heading in ("still known", "last") else "left")
    for card in due[:ROWS]:
        what = f"write {card.name} again" if card.kind == "part" else "drill a bug"
        late = days(at.now - card.due)
        went = ("again", "hard", "good", "easy")[card.rating - 1]
        table.add_row(
            f"{late} ago" if late != "today" else late,
            card.exercise,
            what,
            f"{card.recall:.0%}",
            f"{days(at.now - card.last)} ago",
            went,
        )
    rows: list[RenderableType] = [table]
    if len(due) > ROWS:
        rows.append(Text(f"and {len(due) - ROWS} more", "dim"))
    rows.append(Text("`fathom review --start` begins the first part, `fathom drill` the first bug.", "dim"))
    return Group(*rows)


def days(seconds: float) -> str:
    """A length of time in days."""
    count = int(max(0.0, seconds) // DAY)
    return "today" if not count else f"{count} {'day' if count == 1 else 'days'}"


def review_view(begun: review.Begun, exercise: Exercise) -> RenderableType:
    """A review at its start."""
    return Group(
        Text(f"Again, from blank: {exercise.title}, {begun.part.title}", "bold"),
        Text(f"The stub is in {begun.run.file}; your own notebook stays as it is."),
        Text("`fathom review --check` grades it; --hint gives a hint, --give-up shows a solution.", "dim"),
    )
