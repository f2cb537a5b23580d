"""The registry: what each public data set is, where it lies, how large it is and what it must hash to."""

from __future__ import annotations

import difflib
import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("registry.toml")


class UnknownDataset(LookupError):
    """No data set has this name."""


@dataclass(frozen=True)
class Dataset:
    """One public file: its name here, the file name it keeps, address, size in bytes, sha256, licence, and stand-in."""

    name: str
    file: str
    address: str
    size: int
    sha256: str
    licence: str
    what: str
    default: str  # what is used where the file is not there


@functools.cache
def datasets() -> tuple[Dataset, ...]:
    """Every registered data set, in the registry's order."""
    return tuple(Dataset(**row) for row in tomllib.loads(FILE.read_text(encoding="utf-8"))["dataset"])


def dataset(name: str) -> Dataset:
    """The data set of this name; UnknownDataset names the nearest."""
    known = {entry.name: entry for entry in datasets()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1)
    meant = f"; did you mean {near[0]}?" if near else "."
    raise UnknownDataset(f"there is no data set {name!r}{meant} The registry has {', '.join(known)}.")
