"""Verdicts, hints and notes in a notebook: HTML where there is a front end for it, plain words elsewhere."""

from __future__ import annotations

import html
import re
from io import StringIO
from typing import TYPE_CHECKING, Any

from autograder.curriculum import Part
from autograder.judge.report import CheckReport, Outcome, PartReport
from autograder.render.colours import COLOURS
from autograder.render.text import MARKS, first_trouble, passed_of, points, tame, words

if TYPE_CHECKING:
    from autograder.journal import Aha

HUES: dict[Outcome, str] = {
    "passed": COLOURS.GREEN,
    "failed": COLOURS.RED,
    "crashed": COLOURS.PURPLE,
    "timed_out": COLOURS.GOLD,
    "not_started": COLOURS.INK,
}
SHOWN = 8  # checks that are listed one by one
QUESTION = re.compile(r"(?P<said>.*[.!…])\s+(?P<asked>[^.!…].*\?)\s*", re.DOTALL)
# The line that ends a failed check cell stands in the place of a traceback; here it is a caption of the verdict.
STYLE = """<style>
.jp-OutputArea-child:has(.fathom) + .jp-OutputArea-child [data-mime-type="application/vnd.jupyter.error"],
.jp-OutputArea-child:has(.fathom) + .jp-OutputArea-child [data-mime-type="application/vnd.jupyter.stderr"]
{ background: none; padding-top: 0; opacity: .6 }
.jp-OutputArea-child:has(.fathom) + .jp-OutputArea-child [data-mime-type="application/vnd.jupyter.error"] pre
{ color: inherit; font-size: .85em }
.fathom table, .fathom tr, .fathom td { background: none !important; border: none !important }
</style>"""
MONO = "font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace);font-size:.92em"
PALE = "opacity:.7"
ASIDE = f"{PALE};margin-left:.6em;display:inline-block"  # where it does not fit, it goes to the next line as a whole


class Shown:
    """Something to display: HTML, and the same as plain text."""

    def __init__(self, page: str, text: str) -> None:
        self.page, self.text = page, text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.page, "text/plain": self.text}

    def __repr__(self) -> str:
        return self.text


def display(thing: Shown) -> None:
    """Hand a thing to the front end, or print it where there is none."""
    try:
        from IPython import get_ipython
        from IPython.display import display as hand_over
    except ImportError:
        print(thing)
        return
    if get_ipython() is None:
        print(thing)
    else:
        hand_over(thing)  # type: ignore[no-untyped-call]


def show(verdict: PartReport, part: Part, notes: tuple[str, ...] = ()) -> None:
    """Display a verdict on a part."""
    display(Shown(verdict_html(verdict, part, notes), plain(verdict, notes)))


def plain(verdict: PartReport, notes: tuple[str, ...] = (), width: int = 100) -> str:
    """A verdict as plain text."""
    from rich.console import Console

    from autograder.render.terminal import part_view

    stream = StringIO()
    plainly: dict[str, Any] = {"color_system": None, "force_terminal": False, "force_jupyter": False}
    Console(file=stream, width=width, highlight=False, markup=False, **plainly).print(part_view(verdict))
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    return "\n".join([*lines, *(f"  note: {tame(note)}" for note in notes)])


def verdict_html(verdict: PartReport, part: Part, notes: tuple[str, ...] = ()) -> str:
    """A verdict as HTML; every word from a submission is escaped."""
    hue = HUES[verdict.outcome]
    score = f"{verdict.points} of {points(verdict.out_of)}"
    passed = verdict.outcome == "passed"
    told = f"{len(verdict.checks)} checks" if passed else words(verdict.outcome)
    rows = [
        f'<div><span style="color:{hue};font-weight:700">{MARKS[verdict.outcome]}</span> <b>{esc(part.title)}</b>'
        f' <span style="{ASIDE}">{esc(part.name)} · {told} · {score}</span></div>'
    ]
    trouble = first_trouble(verdict)
    if not passed:
        rows += checks_html(verdict, trouble)
    if verdict.bugs:
        rows.append(misconception_html(verdict.message))
    elif verdict.message and (trouble is None or verdict.message != trouble.message):
        rows.append(f'<div style="margin-top:.3em">{esc(verdict.message)}</div>')
    rows += [f'<div style="{PALE};margin-top:.3em">note: {esc(note)}</div>' for note in notes]
    if verdict.outcome in ("failed", "crashed", "timed_out"):
        nudge = f'<span style="{MONO}">hint("{esc(part.name)}")</span>'
        rows.append(f'<div style="{PALE};margin-top:.5em;font-size:.88em">stuck? {nudge}</div>')
    return boxed("".join(rows), hue)


def checks_html(verdict: PartReport, trouble: CheckReport | None) -> list[str]:
    """The checks of a part by their sentences, what passed and what did not, with the first trouble unfolded."""
    if trouble is None:
        return []
    listed = verdict.checks if len(verdict.checks) <= SHOWN else (trouble,)
    rows = []
    for check in listed:
        mark = f'<span style="color:{HUES[check.outcome]}">{MARKS[check.outcome]}</span>'
        fade = "" if check is trouble else f' style="{PALE}"'
        rows.append(f"<div{fade}>{mark} {esc(check.name)}</div>")
        if check is trouble:
            rows.append(f'<div style="margin:.25em 0 .45em 1.1em">{trouble_html(check)}</div>')
    if len(listed) < len(verdict.checks):
        rows.append(f'<div style="{PALE}">{passed_of(verdict)}</div>')
    return [f'<div style="margin-top:.35em">{"".join(rows)}</div>']


def trouble_html(check: CheckReport) -> str:
    """One check that did not pass: got and wanted, a picture, where, and the next thought."""
    rows = []
    if check.got or check.want:
        cell = f"padding:0 1em 0 0;text-align:left;vertical-align:top;white-space:pre-wrap;{MONO}"
        pairs = (("got", check.got, COLOURS.RED), ("wanted", check.want, COLOURS.GREEN))
        lines = "".join(
            f'<tr><td style="{cell};{PALE}">{name}</td><td style="{cell};color:{colour}">{esc(text)}</td></tr>'
            for name, text, colour in pairs
        )
        rows.append(f'<table style="margin:.1em 0;border-collapse:collapse">{lines}</table>')
    if check.picture is not None:
        from autograder.render.pictures import beside

        rows.append(f'<div style="margin:.4em 0">{beside(check.picture)}</div>')
    if check.where:
        rows.append(f'<div style="{PALE};{MONO}">at {esc(check.where)}</div>')
    if check.message:
        rows.append(f"<div>{esc(check.message)}</div>")
    if check.printed:
        rows.append(f'<div style="{PALE};{MONO};white-space:pre-wrap">it printed: {esc(check.printed[:400])}</div>')
    return "".join(rows)


def misconception_html(message: str) -> str:
    """What the grader takes the mistake for: the belief, and below it the question that shakes it."""
    found = QUESTION.fullmatch(message)
    said, asked = (found["said"], found["asked"]) if found else (message, "")
    question = f'<div style="margin-top:.25em;font-weight:600">{esc(asked)}</div>' if asked else ""
    return (
        '<div style="margin:.5em 0 .1em;padding:.5em .8em;border-radius:4px;background:rgba(128,128,128,.12)">'
        f'<div style="{PALE};font-size:.85em">looks like a known misconception</div>'
        f'<div style="font-style:italic">{esc(said)}</div>{question}</div>'
    )


def boxed(content: str, hue: str) -> str:
    """Content with a coloured edge, in the front end's own font and colours."""
    style = (
        f"border-left:4px solid {hue};padding:.35em .9em;margin:.2em 0;line-height:1.5;max-width:56em;"
        "font-family:var(--jp-content-font-family,var(--vscode-font-family,system-ui,sans-serif));"
        "color:var(--jp-content-font-color1,var(--vscode-foreground,inherit))"
    )
    return f'{STYLE}<div class="fathom" style="{style}">{content}</div>'


def esc(text: str) -> str:
    """Text from a submission, harmless in HTML."""
    return html.escape(tame(text))


def show_hints(part: Part, level: int) -> None:
    """Display hints up to a level, the newest last."""
    given = list(enumerate(part.hints[:level], 1))
    left = len(part.hints) - level
    more = f"{left} more: run this cell again" if left else "that was the last one"
    rows = "".join(
        f'<div style="margin-top:.25em{"" if number == level else ";" + PALE}">{number}. {esc(text)}</div>'
        for number, text in given
    )
    told = f"hint {level} of {len(part.hints)}; {more}"
    head = f'<b>{esc(part.title)}</b> <span style="{ASIDE}">{told}</span>'
    text = "\n".join([*(f"{number}. {text}" for number, text in given), f"({more})"])
    display(Shown(boxed(head + rows, COLOURS.BLUE), text))


def show_note(text: str) -> None:
    """Display a sentence that is no verdict."""
    display(Shown(boxed(f"<div>{esc(text)}</div>", COLOURS.GOLD), tame(text)))


def show_aha(entry: Aha, new: bool) -> None:
    """Say what was logged, where, and what is behind it."""
    first = " ".join(tame(entry.text).split())
    excerpt = first if len(first) <= 280 else f"{first[:280]}…"
    where = f"{'Logged' if new else 'Logged before'}: progress_log/{entry.name}"
    behind = behind_aha(entry)
    page = (
        f'<div style="font-style:italic">“{html.escape(excerpt)}”</div>'
        f'<div style="{PALE};margin-top:.25em"><span style="{MONO}">{esc(where)}</span></div>'
        + (f'<div style="{PALE}">{esc(behind)}</div>' if behind else "")
    )
    display(Shown(boxed(page, COLOURS.GREEN), "\n".join(filter(None, (where, behind)))))


def behind_aha(entry: Aha) -> str:
    """The attempts behind an entry, in words."""
    if entry.part is None:
        return ""
    tries = f"{entry.attempts} failing {'attempt' if entry.attempts == 1 else 'attempts'}" if entry.attempts else ""
    minutes = f"{entry.minutes:.0f} minutes" if entry.minutes >= 1 else ""
    bug = f"the misconception {entry.bug}" if entry.bug else ""
    return f"part {entry.part}" + "".join(f", {text}" for text in (tries, minutes, bug) if text)
