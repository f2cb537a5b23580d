"""The map of the curriculum: phases, exercises, what is passed, and the next step."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autograder.curriculum import Curriculum
from autograder.journal import PLAN, Standing

CLOCKS = 3  # sentences about a clock that jumped


def map_view(course: Curriculum, standing: Standing) -> RenderableType:
    """Phases with their exercises, hours of this week against the plan, and what is next."""
    rows: list[RenderableType] = []
    for phase in course.phases:
        table = Table.grid(padding=(0, 2))
        for exercise in phase.exercises:
            done = standing.passed(exercise.name)
            marks = Text()
            for part in exercise.parts:
                marks.append("●" if part.name in done else "○", "green" if part.name in done else "bright_black")
            table.add_row(f"  {exercise.number:>2}", exercise.name, marks, Text(f"{exercise.hours:g} h", "dim"))
        rows += [Text(phase.title, "bold"), table]
    rows.append(week_line(standing))
    rows += [Text(clock, "yellow") for clock in standing.clocks[:CLOCKS]]
    rows.append(next_line(course, standing))
    return Group(*rows)


def week_line(standing: Standing) -> Text:
    """Hours of this week beside the plan's, the days in a row, and lines of the log that could not be read."""
    low, high = PLAN
    text = f"This week: {standing.hours_this_week:.1f} h of the plan's {low:g}–{high:g}"
    if standing.streak > 1:
        text += f", {standing.streak} days in a row"
    if standing.broken:
        text += f" ({standing.broken} lines of progress_log/attempts.jsonl cannot be read and are skipped)"
    return Text(text, "green" if standing.hours_this_week >= low else "dim")


def next_line(course: Curriculum, standing: Standing) -> Text:
    """The first part that is not passed yet."""
    for exercise in course.exercises:
        for part in exercise.parts:
            if part.name not in standing.passed(exercise.name):
                how = f"`fathom learn` opens it; `fathom check {exercise.name}` grades it."
                return Text.assemble("Next: ", (f"{exercise.name}, {part.title}", "bold"), f". {how}")
    return Text("Every part is passed. `fathom review` keeps it so.", "green")
