"""A report in the terminal, through rich; nothing from a submission is read as markup."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autograder.judge.report import CheckReport, PartReport, Report
from autograder.render.text import COLOURS, MARKS, first_trouble, headline, passed_of, tame, words


def console(stderr: bool = False) -> Console:
    """A console that neither highlights numbers nor reads markup."""
    return Console(stderr=stderr, highlight=False, markup=False, soft_wrap=False)


def report_view(report: Report) -> RenderableType:
    """One submission: a headline, a line a part, and what there is to say about those that did not pass."""
    if report.error is not None:
        return Text.assemble(("✗ ", "red"), (tame(report.path), "bold"), f"\n  {tame(report.error)}")
    rows: list[RenderableType] = [Text.assemble((headline(report), "bold"), (f"   {tame(report.path)}", "dim"))]
    origin: dict[tuple[str, ...], str] = {}  # where each misconception was first seen
    for part in report.parts:
        first = origin.setdefault(part.bugs, part.part) if part.bugs else part.part
        rows.append(part_view(part) if first == part.part else echo_view(part, first))
    rows += [Text(f"  note: {tame(note)}", style="yellow") for note in report.notes]
    return Group(*rows)


def line_view(report: Report) -> Text:
    """One submission in a line: its points, and a mark for every part."""
    line = Text.assemble((headline(report), "bold"), "   ")
    for part in report.parts:
        line.append(MARKS[part.outcome], COLOURS[part.outcome])
    return line


def head_view(part: PartReport) -> Text:
    """A part's mark, name and points."""
    return Text.assemble(
        (f"  {MARKS[part.outcome]} ", COLOURS[part.outcome]),
        f"{part.part:<22}",
        (f"{part.points}/{part.out_of}  ", "dim"),
    )


def echo_view(part: PartReport, first: str) -> Text:
    """A part that fails by a misconception that an earlier part has shown already."""
    return (
        head_view(part).append(words(part.outcome), COLOURS[part.outcome]).append(f"   by the same as {first}", "dim")
    )


def part_view(part: PartReport) -> RenderableType:
    """One part, with its trouble unfolded."""
    line = head_view(part)
    if part.outcome == "passed":
        return line
    line.append(tame(part.message) if part.outcome == "not_started" else words(part.outcome), COLOURS[part.outcome])
    if part.outcome == "not_started":
        return line
    if part.bugs:
        line.append(f"   looks like: {', '.join(part.bugs)}", "bold")
    rows: list[RenderableType] = [line]
    trouble = first_trouble(part)
    if trouble is not None:
        rows.append(Padding(check_view(trouble, part), (0, 0, 0, 6)))
    elif part.message:
        rows.append(Padding(Text(tame(part.message)), (0, 0, 0, 6)))
    return Group(*rows)


def check_view(check: CheckReport, part: PartReport) -> RenderableType:
    """The check that failed: its sentence, got and wanted, where, and the next thought."""
    rows: list[RenderableType] = [Text.assemble(tame(check.name), (f"   ({passed_of(part)})", "dim"))]
    if check.got or check.want:
        table = Table.grid(padding=(0, 2))
        table.add_row(Text("got", "dim"), Text(tame(check.got), "red"))
        table.add_row(Text("wanted", "dim"), Text(tame(check.want), "green"))
        rows.append(table)
    if check.where:
        rows.append(Text(f"at {tame(check.where)}", "dim"))
    if not part.message.startswith(check.message):
        rows.append(Text(tame(check.message)))
    rows.append(Text(tame(part.message)))
    if check.printed:
        rows.append(Text(f"it printed: {tame(check.printed)[:400]}", "dim"))
    return Group(*rows)


def summary_view(reports: Sequence[Report]) -> RenderableType:
    """Many submissions as a table."""
    table = Table(box=None, pad_edge=False)
    for heading in ("submission", "points", "", "seconds"):
        table.add_column(heading, justify="right" if heading in ("points", "seconds") else "left")
    for report in reports:
        marks = Text()
        for part in report.parts:
            marks.append(MARKS[part.outcome], COLOURS[part.outcome])
        score = "–" if report.error else f"{report.points}/{report.out_of}"
        seconds = f"{report.seconds:.2f}"
        table.add_row(Text(tame(report.path)), score, Text(tame(report.error)) if report.error else marks, seconds)
    return table
