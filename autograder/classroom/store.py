"""What a run has found so far: one JSON file for each submission, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autograder.classroom.collecting import Handed
from autograder.judge.report import Report, from_data, to_data
from autograder.notebook import write_atomic

RUN, RESULTS = "run.json", "results"


@dataclass(frozen=True)
class Store:
    """The folder of one run, and the seed of its secret inputs."""

    folder: Path
    seed: int

    @property
    def results(self) -> Path:
        """Where the results lie, one file each."""
        return self.folder / RESULTS

    def key(self, one: Handed, digest: str) -> str:
        """What a result belongs to: this file's place and content, this seed, this version of the exercise."""
        state = hashlib.sha256()
        for piece in (os.fsencode(one.path.name), one.student.encode("utf-8", "surrogateescape")):
            state.update(len(piece).to_bytes(8, "big") + piece)
        state.update(f"{self.seed} {one.exercise.name} {digest} ".encode())
        with suppress(OSError), open(one.path, "rb", opener=_plainly) as file:
            while block := file.read(2**20):
                state.update(block)
        return state.hexdigest()[:32]

    def load(self, key: str, path: str) -> Report | None:
        """A result of this key, for the submission now at `path`; None where there is none that can be read."""
        try:
            data = json.loads((self.results / f"{key}.json").read_text(encoding="utf-8"))
            return replace(from_data(data), path=path)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, key: str, report: Report) -> None:
        """Keep a result."""
        self.results.mkdir(parents=True, exist_ok=True)
        write_atomic(self.results / f"{key}.json", json.dumps(to_data(report)))

    def finish(self) -> None:
        """Note that this run is complete, so that the next one draws a seed of its own."""
        self._note(finished=True)

    def _note(self, finished: bool) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / RUN, json.dumps({"seed": self.seed, "finished": finished}) + "\n")


def begin(folder: Path, seed: int | None) -> Store:
    """Go on with the unfinished run in a folder, or begin one; its seed is the one given, else secret and fresh."""
    before = _before(folder)
    if seed is None:
        unfinished = before.get("finished") is False and isinstance(before.get("seed"), int)
        seed = before["seed"] if unfinished else secrets.randbits(63) | 1
    store = Store(folder, seed)
    store._note(finished=False)
    return store


def _before(folder: Path) -> dict[str, Any]:
    try:
        noted = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _plainly(path: str, flags: int) -> int:
    """Open without following a link or waiting for a pipe."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def kept(folder: Path) -> Iterator[Report]:
    """Every result in a run's folder."""
    for file in sorted((folder / RESULTS).glob("*.json")):
        yield from_data(json.loads(file.read_text(encoding="utf-8")))
