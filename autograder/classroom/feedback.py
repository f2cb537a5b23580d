"""What a student gets back, as Markdown and as HTML; nothing from a submission is read as markup in either."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator
from pathlib import Path

from autograder.classroom.grading import Result
from autograder.judge.report import CheckReport, PartReport, Report
from autograder.notebook import write_atomic
from autograder.render.text import MARKS, first_trouble, passed_of, points, tame, words

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
:root { color-scheme: light dark }
h2 { margin: 1.6rem 0 .2rem } .worth { font-weight: normal; opacity: .7 } dt { opacity: .7 } dd { margin: 0 0 .4rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; padding: .4rem .6rem; border-left: 3px solid #8888 }
table { border-collapse: collapse } td, th { padding: .2rem .8rem .2rem 0; text-align: left } svg { max-width: 100% }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
LONGEST = 60  # characters of a name that go into a file's name


def write(folder: Path, result: Result) -> list[Path]:
    """Write both forms of a student's feedback below a folder; returns the files."""
    stem = folder / file_name(result.student) / file_name(result.report.exercise)
    stem.parent.mkdir(parents=True, exist_ok=True)
    files = [Path(f"{stem}.md"), Path(f"{stem}.html")]
    write_atomic(files[0], as_markdown(result))
    write_atomic(files[1], as_html(result))
    return files


def file_name(name: str) -> str:
    """A name that is safe as a file's, and differs where the names differ."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:LONGEST]
    if plain and plain == name:
        return plain
    return f"{plain}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}".lstrip("-")


def score(report: Report) -> str:
    """`9 of 11 points`."""
    return f"{report.points} of {points(report.out_of)}"


def facts(part: PartReport) -> Iterator[tuple[str, str]]:
    """What there is to say about a part that did not pass, as pairs of a label and a text."""
    trouble = first_trouble(part) or CheckReport(part.part, part.outcome)
    if part.bugs:
        yield "it looks like", part.message
    if part.checks:
        yield "the check", f"{trouble.name} ({passed_of(part)})"
    told = (("got", trouble.got), ("wanted", trouble.want), ("at", trouble.where), ("next", trouble.message))
    yield from ((label, text) for label, text in told if text)
    if part.message and not part.bugs and part.message != trouble.message:
        yield "why", part.message
    if trouble.printed:
        yield "it printed", trouble.printed[:400]


def as_markdown(result: Result) -> str:
    """One submission for its author, with every text of theirs in a fence that it cannot end."""
    report = result.report
    lines = [f"# {plain(report.exercise)}: {score(report)}", "", f"Handed in by {plain(result.student)}.", ""]
    if report.error is not None:
        lines += ["It could not be graded:", "", *fenced(report.error), ""]
    for part in report.parts:
        lines += [
            f"## {MARKS[part.outcome]} {plain(part.part)}: {words(part.outcome)}, {part.points}/{part.out_of}",
            "",
        ]
        for label, text in facts(part) if part.outcome != "passed" else ():
            lines += [f"{label}:", "", *fenced(text), ""]
    for note in report.notes:
        lines += ["note:", "", *fenced(note), ""]
    return "\n".join(lines).rstrip() + "\n"


def plain(text: str) -> str:
    """One line of text with everything escaped that Markdown or HTML would read."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", html.escape(one_line(text), quote=False))


def one_line(text: str) -> str:
    """Text on one line, without control characters."""
    return " ".join(tame(text).split())


def fenced(text: str) -> list[str]:
    """Lines of a code block that holds a text as it is."""
    body = tame(text)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
    return [f"{fence}text", *body.splitlines(), fence]


def as_html(result: Result) -> str:
    """The same as a page of its own that loads nothing and runs nothing."""
    report = result.report
    rows = [f"<h1>{safe(report.exercise)}: {score(report)}</h1>", f"<p>Handed in by {safe(result.student)}.</p>"]
    if report.error is not None:
        rows.append(f"<p>It could not be graded:</p><pre>{safe(report.error)}</pre>")
    for part in report.parts:
        worth = f"{words(part.outcome)}, {part.points}/{part.out_of}"
        rows.append(f'<h2>{MARKS[part.outcome]} {safe(part.part)} <span class="worth">{worth}</span></h2>')
        told = list(facts(part)) if part.outcome != "passed" else []
        if told:
            inside = "".join(f"<dt>{label}</dt><dd><pre>{safe(text)}</pre></dd>" for label, text in told)
            rows.append(f"<dl>{inside}</dl>")
    rows += [f"<p>note: {safe(note)}</p>" for note in report.notes]
    return page(f"{report.exercise}: {score(report)}", rows)


def page(title: str, rows: list[str]) -> str:
    """A page around rows of HTML."""
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    head += f'<meta name="viewport" content="width=device-width"><title>{safe(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(rows) + "\n</body></html>\n"


def safe(text: str) -> str:
    """Text that HTML shows as it is."""
    return html.escape(tame(text))
