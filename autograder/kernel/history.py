"""The notebook as executed: which cells ran in this kernel, in their latest form, in the lesson's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autograder.notebook import Blank, Cell


@dataclass(frozen=True)
class Run:
    """One execution: the cell's id where the front end sent one, and its text."""

    id: str | None
    source: str


class History:
    """Remembers executions from the moment it is registered; earlier ones come from IPython's own history."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.runs: list[Run] = [Run(None, source) for source in shell.user_ns.get("In", [])[1:-1]]
        current = shell.user_ns.get("In", [""])[-1]
        self.runs.append(Run(parent_cell(shell), current))
        shell.events.register("pre_run_cell", self.remember)

    def remember(self, info: Any) -> None:
        """Note a cell that is about to run (IPython's pre_run_cell event)."""
        if info.store_history:
            self.runs.append(Run(getattr(info, "cell_id", None), info.raw_cell))

    def cells(self, blank: Blank) -> tuple[Cell, ...]:
        """The latest form of every executed cell; the lesson's own in their order, others after what ran before them."""
        return arranged(self.runs, list(blank.cells))


def parent_cell(shell: Any) -> str | None:
    """The id of the cell that runs now, where the kernel knows it."""
    try:
        found = shell.kernel.get_parent("shell")["metadata"].get("cellId")
    except (AttributeError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def arranged(runs: Sequence[Run], order: Sequence[str]) -> tuple[Cell, ...]:
    """Latest executions as cells; a cell without an id is a cell of its own each time it runs."""
    latest: dict[str, str] = {}
    place: dict[str, tuple[float, int]] = {}
    position = -1.0
    for number, run in enumerate(runs):
        key = run.id or f"run {number}"
        if run.id in order:
            position = float(order.index(run.id))
            place[key] = (position, -1)
        elif key not in place:
            place[key] = (position, number)
        latest[key] = run.source
    keys = sorted(latest, key=lambda key: place[key])
    return tuple(
        Cell("code", latest[key], {"nbgrader": {"grade_id": key}} if key in order else {}, key, index)
        for index, key in enumerate(keys)
    )
