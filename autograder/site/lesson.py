"""An exercise as one Markdown page: prose and code, stubs with their hints and solutions, figures, the gallery."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from autograder.bugs.catalogue import Catalogue
from autograder.curriculum import Curriculum, Exercise, Part
from autograder.lesson import is_check, part_of_check
from autograder.notebook import Cell, read
from autograder.notebook.blank import is_solution
from autograder.notebook.names import Function
from autograder.notebook.regions import cleared
from autograder.render.text import points
from autograder.site import gallery
from autograder.site.answers import answer
from autograder.site.markdown import asks, box, fence, prose, spoiler, strip, unsearchable
from autograder.site.running import Output, Run

LONG = 24  # lines from which given functions are folded away

_TITLE = re.compile(r"# +(?P<title>.*?) *#*(?:\n|$)")
_NOTEBOOK = re.compile(r"\]\((?P<path>[^()\s]+\.ipynb)\)")


def page(
    course: Curriculum,
    exercise: Exercise,
    catalogue: Catalogue,
    run: Run,
    figures: str,
    seen: Collection[str] = (),
) -> str:
    """The page of one exercise; `figures` is the folder of its pictures as the page links to it.

    `seen` holds the ids of the bugs of whose symptoms there is a picture.
    """
    cells = read(exercise.source)
    title, opening = _opening(exercise, cells)
    blocks = [
        f"---\ntitle: {_yaml(title)}\ndescription: {_yaml(exercise.question)}\n---",
        f"# {title}",
        facts(course, exercise),
        prose(opening),
        *_lesson(exercise, cells, run, figures),
    ]
    if catalogue.bugs:
        cards = gallery.gallery(exercise, catalogue, figures, seen)
        blocks += ["## Gallery of bugs", _about(len(catalogue.bugs)), cards]
    if exercise.sources:
        blocks += ["## Sources", "\n".join(f"- {source}" for source in exercise.sources)]
    return _linked(course, exercise, "\n\n".join(filter(None, blocks))) + "\n"


def place(exercise: Exercise) -> Path:
    """Where the page of an exercise is among the site's Markdown files."""
    return Path(exercise.phase, f"{exercise.name}.md")


def facts(course: Curriculum, exercise: Exercise) -> str:
    """How long it takes, when it comes, what it is worth and what it builds on, in one strip."""
    needs = [course.exercise(name) for name in exercise.needs]
    links = ", ".join(f"[{need.title}]({_relative(exercise, need)})" for need in needs)
    parts = len(exercise.parts)
    words = [
        f"{exercise.hours:g} {'hour' if exercise.hours == 1 else 'hours'}",
        f"{exercise.track} track, week {exercise.week}",
        f"{parts} {'part' if parts == 1 else 'parts'}, {points(exercise.points)}",
        *([f"after {links}"] if links else []),
        f"`fathom learn {exercise.name}`",
    ]
    return strip("facts", words)


def _opening(exercise: Exercise, cells: Sequence[Cell]) -> tuple[str, str]:
    """The title, and the first cell's prose below it."""
    text = cells[0].source if cells and cells[0].kind == "markdown" else ""
    match = _TITLE.match(text)
    return (match["title"], text[match.end() :]) if match else (exercise.title, text)


def _lesson(exercise: Exercise, cells: Sequence[Cell], run: Run, figures: str) -> Iterator[str]:
    """The blocks of all cells below the opening; what follows a prediction is shown on a click."""
    asked = False
    for cell in cells[1:] if cells and cells[0].kind == "markdown" else cells:
        if cell.kind == "markdown":
            asked = asks(cell.source)
            yield prose(cell.source)
        elif is_check(cell):
            yield check(exercise, cells, exercise.part(part_of_check(cell) or ""))
        elif is_solution(cell):
            yield fence(cleared(cell.source), "python")
        elif cell.kind == "code":
            yield _given(cell)
            shown = "\n\n".join(output(out, run, figures) for out in run.of(cell))
            if shown:
                yield spoiler("example", "Run it", shown) if asked else shown


def check(exercise: Exercise, cells: Sequence[Cell], part: Part) -> str:
    """A part where its check stands: what it is worth and waits for, its hints, one solution."""
    needs = ", ".join(f"[{exercise.part(name).title}](#part-{name})" for name in part.needs)
    words = [
        f"**{part.title}**",
        points(part.points),
        f'`check("{part.name}")`',
        *([f"after {needs}"] if needs else []),
    ]
    hints = [spoiler("tip", f"Hint {level}", hint) for level, hint in enumerate(part.hints, 1)]
    solution = spoiler("success", "One solution", fence(answer(cells, part.name), "python"))
    return box("part", "\n\n".join([strip("head", words), unsearchable([*hints, solution])]), f"part-{part.name}")


def output(out: Output, run: Run, figures: str) -> str:
    """One output of a cell as Markdown."""
    if out.kind == "picture":
        words = re.sub(r"[\[\]\\]", "", out.text) or "A figure, drawn by the code above"
        size = f' width="{out.width}" height="{out.height}"' if out.width and out.height else ""
        return f"![{words}]({figures}/{out.file}){{ .figure{size} }}"
    if out.kind == "html":
        return f"<div>{out.text}</div>"
    return fence(out.text.rstrip(), "text", "output", "no-copy", *(["error"] if out.kind == "error" else []))


def _given(cell: Cell) -> str:
    """A code cell as it is; one of many lines that only defines things is folded away."""
    code = fence(cell.source, "python")
    try:
        body = ast.parse(cell.source).body
    except SyntaxError:  # a magic; such a cell is for running, not for reading up on
        return code
    names = [node.name for node in body if isinstance(node, Function | ast.ClassDef)]
    if names and len(names) == len(body) and cell.source.count("\n") >= LONG:
        return spoiler("abstract", f"Given: {', '.join(names)}", code)
    return code


def _about(count: int) -> str:
    ways = "One small wrong version" if count == 1 else f"{count} small wrong versions"
    return (
        f"{ways} of the code above, each with the misconception behind it. The grader tells them apart. "
        "Before you open one: from the symptom alone, which line would you look at first?"
    )


def _linked(course: Curriculum, exercise: Exercise, text: str) -> str:
    """Links to the notebooks of other exercises as links to their pages."""
    pages = {other.notebook.name: _relative(exercise, other) for other in course.exercises}
    return _NOTEBOOK.sub(lambda match: f"]({pages.get(Path(match['path']).name, match['path'])})", text)


def _relative(here: Exercise, there: Exercise) -> str:
    same = here.phase == there.phase
    return place(there).name if same else f"../{place(there).as_posix()}"


def _yaml(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
