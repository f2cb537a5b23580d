"""`fathom data`: public data sets, listed, fetched and found."""

from __future__ import annotations

from collections.abc import Sequence

from autograder.commands.course import fail


def show() -> int:
    """List the registry, and what is here."""
    from rich.table import Table
    from rich.text import Text

    from autograder.datasets import datasets, found, home
    from autograder.render.terminal import console

    table = Table(box=None, pad_edge=False)
    for heading in ("", "name", "MB", "what it is", "licence", "without it"):
        table.add_column(heading, justify="right" if heading == "MB" else "left")
    for entry in datasets():
        here = found(entry) is not None
        mark = Text("●" if here else "○", "green" if here else "bright_black")
        table.add_row(mark, entry.name, f"{entry.size / 1e6:.1f}", entry.what, entry.licence, entry.default)
    screen = console()
    screen.print(table)
    screen.print(f"They lie in {home()}; $FATHOM_DATA names another folder.", style="dim")
    return 0


def fetch(names: Sequence[str]) -> int:
    """Fetch data sets by name, or all."""
    from autograder import datasets
    from autograder.render.progress import progress
    from autograder.render.terminal import console

    try:
        entries = [datasets.dataset(name) for name in names] if names else list(datasets.datasets())
    except datasets.UnknownDataset as error:
        fail(str(error))
    for entry in entries:
        try:
            with progress(f"fetching {entry.name}") as tick:
                place = datasets.fetch(entry, tick)
        except datasets.FetchFailed as error:
            fail(str(error))
        console().print(f"✓ {entry.name}: {place}", style="green")
    return 0


def path(name: str) -> int:
    """Print where a data set lies; 2 where it is not here."""
    from autograder import datasets

    try:
        print(datasets.path(name))
    except (datasets.UnknownDataset, datasets.NotFetched) as error:
        fail(str(error))
    return 0
