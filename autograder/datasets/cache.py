"""Where data sets lie: a folder of one's own named by $FATHOM_DATA, else the user's cache."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from autograder.datasets.registry import Dataset, dataset

VARIABLE = "FATHOM_DATA"


class NotFetched(FileNotFoundError):
    """A data set that is not on this machine, and what to do."""


def home() -> Path:
    """The folder that data sets are read from and fetched into."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "fathom"


def found(entry: Dataset) -> Path | None:
    """The file of a data set, or None where it is not here or has another size."""
    place = home() / entry.file
    try:
        return place if place.stat().st_size == entry.size else None
    except OSError:
        return None


def path(name: str) -> Path:
    """The file of a data set; NotFetched says how to get it. Nothing is ever fetched without being asked for."""
    entry = dataset(name)
    place = found(entry)
    if place is None:
        raise NotFetched(
            f"the data set {name} is not in {home()}; `fathom data fetch {name}` gets it ({entry.size / 1e6:.1f} MB). "
            f"Without it, {entry.default} will do"
        )
    return place


def sha256(place: Path) -> str:
    """The hash of a file, in hexadecimal."""
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
