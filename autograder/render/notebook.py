"""A verdict in the notebook: HTML where there is a front end for it, the terminal's words elsewhere."""

from __future__ import annotations

import html
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from autograder.curriculum import Part
from autograder.judge.report import CheckReport, PartReport, Report
from autograder.render.terminal import part_view
from autograder.render.text import MARKS, first_trouble, passed_of, points, tame, words

HUES = {"passed": "#2e8b57", "failed": "#c0392b", "crashed": "#8e44ad", "timed_out": "#b8860b", "not_started": "#7f8c8d"}


class Verdict:
    """What `check` displays; every front end picks the form that it can show."""

    def __init__(self, part: PartReport, report: Report) -> None:
        self.part, self.report = part, report

    def _repr_html_(self) -> str:
        return part_html(self.part, self.report.notes)

    def __repr__(self) -> str:
        return plain(self.part)


def show(part: PartReport, report: Report) -> None:
    """Display a verdict, and a picture of yours beside the target where values are arrays."""
    display(Verdict(part, report))
    trouble = first_trouble(part)
    if trouble is not None and trouble.picture is not None:
        from autograder.render.pictures import beside

        display(beside(trouble.picture))


def display(thing: Any) -> None:
    """Hand a thing to the front end, or print it where there is none."""
    try:
        from IPython import get_ipython
        from IPython.display import display as hand_over
    except ImportError:
        print(thing)
        return
    if get_ipython() is None:  # type: ignore[no-untyped-call]
        print(thing)
    else:
        hand_over(thing)  # type: ignore[no-untyped-call]


def plain(part: PartReport, width: int = 100) -> str:
    """A part's verdict as plain text."""
    stream = StringIO()
    Console(file=stream, width=width, highlight=False, markup=False, no_color=True).print(part_view(part))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def verdict_lines(part: PartReport) -> list[str]:
    """What stands where a traceback would: one line, since the verdict itself is shown above it."""
    return [f"CheckFailed: {tame(part.part)} {words(part.outcome)} — {points(part.out_of)} to be had; the verdict is above"]


def part_html(part: PartReport, notes: tuple[str, ...] = ()) -> str:
    """A part's verdict as HTML; every word of it is escaped."""
    hue = HUES[part.outcome]
    score = f"{part.points} of {points(part.out_of)}"
    rows = [
        f'<div style="font-weight:600;color:{hue}">{MARKS[part.outcome]} {esc(part.part)}: {words(part.outcome)}'
        f' <span style="font-weight:400;opacity:.7">{score}</span></div>'
    ]
    trouble = first_trouble(part)
    if trouble is not None:
        rows.append(check_html(trouble, part))
    if part.message and (trouble is None or part.message != trouble.message):
        label = "This looks like a known misconception. " if part.bugs else ""
        rows.append(f'<div style="margin-top:.4em"><b>{label}</b>{esc(part.message)}</div>')
    rows += [f'<div style="opacity:.7">note: {esc(note)}</div>' for note in notes]
    body = "".join(rows)
    return f'<div style="border-left:4px solid {hue};padding:.4em .8em;margin:.3em 0;line-height:1.45">{body}</div>'


def check_html(check: CheckReport, part: PartReport) -> str:
    """The check that failed, as HTML."""
    rows = [f"<div>{esc(check.name)} <span style='opacity:.7'>({passed_of(part)})</span></div>"]
    if check.got or check.want:
        cell = "<td style='text-align:left;padding:0 .8em 0 0;font-family:monospace;white-space:pre-wrap'>"
        pairs = (("got", check.got), ("wanted", check.want))
        lines = "".join(f"<tr>{cell}{label}</td>{cell}{esc(text)}</td></tr>" for label, text in pairs)
        rows.append(f"<table style='margin:.2em 0;border:none'>{lines}</table>")
    if check.where:
        rows.append(f"<div style='opacity:.7;font-family:monospace'>at {esc(check.where)}</div>")
    if check.message:
        rows.append(f"<div>{esc(check.message)}</div>")
    if check.printed:
        rows.append(f"<pre style='opacity:.7'>it printed: {esc(check.printed[:400])}</pre>")
    return "".join(rows)


def esc(text: str) -> str:
    """Text from a submission, harmless in HTML."""
    return html.escape(tame(text))


class Hints:
    """Hints up to a level."""

    def __init__(self, part: Part, level: int) -> None:
        self.part, self.level = part, level

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{html.escape(text)}</li>" for text in self.part.hints[: self.level])
        return f"<ol style='margin:.3em 0'>{items}</ol>"

    def __repr__(self) -> str:
        return "\n".join(f"{number}. {text}" for number, text in enumerate(self.part.hints[: self.level], 1))


def show_hints(part: Part, level: int) -> None:
    """Display hints up to a level."""
    display(Hints(part, level))


def show_aha(place: Path) -> None:
    """Say where an aha went."""
    print(f"Logged in {place.parent.name}/{place.name}")
