"""Progress for what takes longer than a second."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from autograder.render.terminal import console

Tick = Callable[[int, int], None]  # done, of how many


@contextlib.contextmanager
def progress(what: str, quiet: bool = False) -> Iterator[Tick]:
    """A bar on stderr that `tick(done, total)` moves; nothing where stderr is no terminal or `quiet` is set."""
    screen = console(stderr=True)
    if quiet or not screen.is_terminal:
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
