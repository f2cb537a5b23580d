"""What the class as a whole has understood: points as a table, misconceptions counted and drawn."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.bugs.catalogue import catalogue
from autograder.classroom import feedback
from autograder.classroom.feedback import plain, safe
from autograder.classroom.grading import Result
from autograder.curriculum import Curriculum
from autograder.notebook import write_atomic

FORMULA = tuple("=+-@\t\r\n|%＝＋－＠")  # what makes a spreadsheet read a cell as a formula
WIDTH, ROW, LABELS = 640, 34, 300  # of the picture


@dataclass(frozen=True)
class Misconception:
    """One bug of the catalogue, and how many of the class have it."""

    exercise: str
    part: str
    bug: str
    text: str
    students: int


def misconceptions(course: Curriculum, results: Iterable[Result]) -> list[Misconception]:
    """The misconceptions of a class, the most common first; each student counts once for each."""
    seen = {(r.student, r.report.exercise, part.bugs[0]) for r in results for part in r.report.parts if part.bugs}
    found = []
    for (exercise, name), students in Counter(entry[1:] for entry in seen).items():
        bug = catalogue(course.exercise(exercise)).bug(name)
        found.append(Misconception(exercise, bug.part, name, bug.misconception, students))
    return sorted(found, key=lambda m: (-m.students, m.exercise, m.part, m.bug))


def write(folder: Path, course: Curriculum, results: Sequence[Result]) -> list[Path]:
    """Write the table, the summary in both forms and its picture; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    found = misconceptions(course, results)
    texts = {
        "grades.csv": as_csv(results),
        "misconceptions.svg": picture(found),
        "summary.md": as_markdown(results, found),
        "summary.html": as_html(results, found),
    }
    for name, text in texts.items():
        write_atomic(folder / name, text)
    return [folder / name for name in texts]


def as_csv(results: Sequence[Result]) -> str:
    """A row for each submission: student, exercise, points, what each part got, what was diagnosed."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(["student", "exercise", "points", "out of", "parts", "misconceptions", "error", "path"])
    for result in results:
        report = result.report
        parts = " ".join(f"{part.part}:{part.points}/{part.out_of}" for part in report.parts)
        bugs = " ".join(bug for part in report.parts for bug in part.bugs[:1])
        texts = [
            result.student,
            report.exercise,
            report.points,
            report.out_of,
            parts,
            bugs,
            report.error or "",
            report.path,
        ]
        table.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in texts])
    return stream.getvalue()


def harmless(cell: str) -> str:
    """A cell on one line that no spreadsheet takes for a formula."""
    line = feedback.one_line(cell)
    return f"'{line}" if line.startswith(FORMULA) or cell.startswith(FORMULA) else line


def passed(results: Sequence[Result]) -> Mapping[tuple[str, str], tuple[int, int]]:
    """For each exercise and part, how many of how many passed it."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for result in results:
        for part in result.report.parts:
            done, total = counts.get((result.report.exercise, part.part), (0, 0))
            counts[result.report.exercise, part.part] = done + (part.outcome == "passed"), total + 1
    return counts


def as_markdown(results: Sequence[Result], found: Sequence[Misconception]) -> str:
    """The class on a page."""
    lines = [f"# {headline(results)}", "", "| exercise | part | passed |", "|---|---|---|"]
    lines += [f"| {plain(e)} | {plain(p)} | {done} of {total} |" for (e, p), (done, total) in passed(results).items()]
    lines += [
        "",
        "## Misconceptions",
        "",
        "![how many students have which](misconceptions.svg)" if found else "None named.",
    ]
    lines += [""] * bool(found) + [
        f"- {m.students} × {plain(m.text)} ({plain(m.exercise)}, {plain(m.part)})" for m in found
    ]
    return "\n".join(lines) + "\n"


def as_html(results: Sequence[Result], found: Sequence[Misconception]) -> str:
    """The same as a page, with the picture in it and a link to each student's feedback."""
    rows = [
        f"<h1>{headline(results)}</h1>",
        "<h2>Misconceptions</h2>",
        picture(found) if found else "<p>None named.</p>",
    ]
    cells = (f"<tr><td>{safe(e)}<td>{safe(p)}<td>{d} of {t}</tr>" for (e, p), (d, t) in passed(results).items())
    rows.append(f"<h2>Parts</h2><table><tr><th>exercise<th>part<th>passed</tr>{''.join(cells)}</table>")
    rows.append("<h2>Students</h2><table><tr><th>student<th>exercise<th>points</tr>")
    for r in results:
        link = f"feedback/{feedback.file_name(r.student)}/{feedback.file_name(r.report.exercise)}.html"
        points = f"{r.report.points}/{r.report.out_of}" if r.report.error is None else "not graded"
        rows.append(
            f'<tr><td><a href="{safe(link)}">{safe(r.student)}</a><td>{safe(r.report.exercise)}<td>{points}</tr>'
        )
    return feedback.page("The class", [*rows, "</table>"])


def headline(results: Sequence[Result]) -> str:
    """`31 submissions of 30 students, 1 not graded`."""
    failed = sum(result.report.error is not None for result in results)
    students = len({result.student for result in results})
    text = f"{len(results)} submission{'s' * (len(results) != 1)} of {students} student{'s' * (students != 1)}"
    return text + (f", {failed} not graded" if failed else "")


def picture(found: Sequence[Misconception]) -> str:
    """Bars for how many students have each misconception, as SVG that reads in light and dark."""
    shown = found[:20]
    most = max((m.students for m in shown), default=1)
    height = ROW * len(shown) + 10
    rows = []
    for number, m in enumerate(shown):
        top = ROW * number + 8
        length = (WIDTH - LABELS - 40) * m.students / most
        name = safe(m.bug if len(m.bug) <= 40 else f"{m.bug[:39]}…")
        rows.append(f"<g><title>{safe(m.text)}</title>")
        rows.append(f'<text x="{LABELS - 8}" y="{top + 15}" text-anchor="end">{name}</text>')
        rows.append(f'<rect x="{LABELS}" y="{top}" width="{length:.1f}" height="{ROW - 12}" rx="3" fill="#4c78a8"/>')
        rows.append(f'<text x="{LABELS + length + 6:.1f}" y="{top + 15}">{m.students}</text></g>')
    style = 'font-family="system-ui, sans-serif" font-size="14" fill="#888"'
    frame = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" {style}'
    return f"<svg {frame}><title>Students with each misconception</title>{''.join(rows)}</svg>"
