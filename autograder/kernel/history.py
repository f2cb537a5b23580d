"""The notebook as executed: which cells ran in this kernel, in their latest form, in the lesson's order."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autograder.curriculum import Exercise
from autograder.notebook import Blank, Cell, blank_of, percent
from autograder.notebook.build import cell_ids
from autograder.notebook.syntax import parsed


@dataclass(frozen=True)
class Run:
    """One execution: the cell's id where the front end sent one, its text, and the number in `In [ ]`."""

    id: str | None
    source: str
    number: int = 0


@dataclass(frozen=True)
class Executed(Cell):
    """A cell that ran in this kernel; messages call it by its number there."""

    number: int = 0

    @property
    def label(self) -> str:
        return self.grade_id or f"In [{self.number}]"


@dataclass(frozen=True)
class Lesson:
    """A lesson's code cells as a kernel can recognise them: their ids in order, their texts, who answers which name."""

    order: Sequence[str]
    texts: Mapping[str, str]  # stripped text → id
    blank: Blank


class History:
    """Remembers executions from the moment it is made; earlier ones come from IPython's own history."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        earlier = list(shell.user_ns.get("In", [""]))
        self.runs = [Run(None, source, number) for number, source in enumerate(earlier) if number and source]
        if self.runs and self.runs[-1].number == shell.execution_count:  # the cell that runs now
            self.runs[-1] = Run(message(shell, "metadata").get("cellId"), earlier[-1], self.runs[-1].number)
        shell.events.register("pre_run_cell", self.remember)

    def remember(self, info: Any) -> None:
        """Note a cell that is about to run (IPython's pre_run_cell event)."""
        if info.store_history:
            self.runs.append(Run(getattr(info, "cell_id", None), str(info.raw_cell), self.shell.execution_count))

    @property
    def attended(self) -> bool:
        """Whether somebody sits before this kernel: programs that execute notebooks do not answer to input()."""
        return not hasattr(self.shell, "kernel") or bool(message(self.shell, "content").get("allow_stdin"))

    def cells(self, exercise: Exercise) -> tuple[Executed, ...]:
        """The latest form of every executed cell; the lesson's in their order, others after what ran before them."""
        return arranged(self.runs, lesson_of(exercise), by_first=not self.attended)


def message(shell: Any, part: str) -> Mapping[str, Any]:
    """A part of the message that made the present cell run; empty where there is none."""
    try:
        found = shell.kernel.get_parent("shell")[part]
    except (AttributeError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


@functools.lru_cache(maxsize=64)
def lesson_of(exercise: Exercise) -> Lesson:
    """The code cells of an exercise, solutions left out."""
    cells, blank = percent.cells(exercise.source.read_text(encoding="utf-8")), blank_of(exercise)
    listed = [{"cell_type": cell.kind, "source": cell.source, "metadata": cell.metadata} for cell in cells]
    own = [(name, cell) for name, cell in zip(cell_ids(listed), cells, strict=True) if cell.kind == "code"]
    texts = {
        blank.cells.get(name, cell.source).strip(): name for name, cell in own if cell.grade_id or len(cell.source) > 40
    }
    return Lesson([name for name, _ in own], texts, blank)


def arranged(runs: Sequence[Run], lesson: Lesson, by_first: bool = False) -> tuple[Executed, ...]:
    """Latest executions as cells; a run without an id is a cell of its own.

    `by_first`: nothing ran twice, so the first cell that defines a lesson's name is the lesson's cell.
    """
    keys = [run.id or f"run {index}" for index, run in enumerate(runs)]
    names = recognised(runs, keys, lesson, by_first)
    latest: dict[str, Run] = {}
    places: dict[str, tuple[int, int]] = {}
    position = -1
    for index, (key, run) in enumerate(zip(keys, runs, strict=True)):
        name = names.get(key, key)
        if key in names:
            position = lesson.order.index(name)
            places[name] = (position, -1)
        elif key not in places:
            places[key] = (position, index)
        latest[name] = run
    made = []
    for index, key in enumerate(sorted(latest, key=lambda key: places[key])):
        marks = {"nbgrader": {"grade_id": key}} if key in lesson.blank.cells else {}
        made.append(Executed("code", latest[key].source, marks, key, index, latest[key].number))
    return tuple(made)


def recognised(runs: Sequence[Run], keys: Sequence[str], lesson: Lesson, by_first: bool) -> dict[str, str]:
    """Which of the lesson's cells each key stands for: by id, else by text, else by the names that it defines first.

    By names only where the front end sends ids of its own (VS Code) or where nothing ran twice; at a terminal the
    latest definition is the answer, as in Python itself.
    """
    found = {key: key for key in keys if key in set(lesson.order)}
    taken = set(found.values())
    for key, run in zip(keys, runs, strict=True):
        name = lesson.texts.get(run.source.strip())
        if key not in found and name is not None and name not in taken and (run.id or by_first):
            found[key] = name
            taken.add(name)
    for key, run in zip(keys, runs, strict=True):
        if key in found or not (run.id or by_first):
            continue
        hits = Counter(owner for owner in owners(run.source, lesson.blank) if owner not in taken)
        if hits:
            found[key] = hits.most_common(1)[0][0]
            taken.add(found[key])
    return found


def owners(source: str, blank: Blank) -> list[str]:
    """The lesson's cells whose names a text defines, one entry a name."""
    defined = [name for statement in parsed(source).statements for name, _ in statement.definitions]
    return [blank.owners[name] for name in defined if name in blank.owners]
