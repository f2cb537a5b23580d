"""Run a solved lesson once per content, and keep what its cells print and draw."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import autograder
from autograder.curriculum import Exercise
from autograder.lesson import is_check
from autograder.notebook import Cell, read

KEPT = Path(".fathom", "site", "runs")
SECONDS = 300  # for one cell; a solved lesson takes 15 altogether
FORMAT = "3"  # of run.json; part of the hash

_PREAMBLE = Path(__file__).with_name("preamble.py")
_LOOKS = ("kernel/looking.py", "kernel/colours.py", "render/colours.py")  # how lessons draw
_DRAWS = ("torch", "numpy", "matplotlib", "ipykernel")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class RunFailed(Exception):
    """A solved lesson that does not run top to bottom: which cell, and what it raised."""


@dataclass(frozen=True)
class Output:
    """What one cell showed once; `file` is the name of a picture in the run's folder."""

    kind: Literal["text", "error", "picture", "html"]
    text: str = ""  # the words of a picture, for those who cannot see it
    file: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Run:
    """The outputs of a solved lesson by the index of the cell, and the folder of its pictures."""

    folder: Path
    outputs: Mapping[int, tuple[Output, ...]]

    def of(self, cell: Cell) -> tuple[Output, ...]:
        """What this cell showed."""
        return self.outputs.get(cell.index, ())


def ran(exercise: Exercise, sources: Iterable[Path] = ()) -> Run:
    """The run of a solved lesson, from the cache where nothing changed; raises RunFailed.

    `sources` are further files that the outcome rests on, such as the lessons it carries.
    """
    cells = [cell for cell in read(exercise.source) if cell.kind == "code" and not is_check(cell)]
    home = exercise.root / KEPT / exercise.name
    folder = home / _digest(cells, sources)
    if not (folder / "run.json").is_file():
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home / "lock"):
            if not (folder / "run.json").is_file():  # or somebody else ran it while we waited
                _keep(_executed(exercise, cells), home, folder)
    return _loaded(folder)


def is_kept(exercise: Exercise, sources: Iterable[Path] = ()) -> bool:
    """Whether the run of a lesson as it stands is in the cache."""
    cells = [cell for cell in read(exercise.source) if cell.kind == "code" and not is_check(cell)]
    return (exercise.root / KEPT / exercise.name / _digest(cells, sources) / "run.json").is_file()


def _digest(cells: Iterable[Cell], sources: Iterable[Path]) -> str:
    """A hash of all that decides what the cells show."""
    found = hashlib.sha256()
    package = Path(autograder.__file__).parent
    for path in (_PREAMBLE, *(package / name for name in _LOOKS), *sources):
        found.update(path.read_bytes() if path.is_file() else b"")
    versions = [FORMAT, sys.version.split()[0], *map(_version, _DRAWS)]
    shown = [[cell.index, cell.source, cell.metadata.get("tags")] for cell in cells]
    found.update(json.dumps([versions, shown]).encode())
    return found.hexdigest()[:20]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _executed(exercise: Exercise, cells: list[Cell]) -> dict[int, list[dict[str, Any]]]:
    """The raw outputs of every cell, run in a fresh kernel of this Python; raises RunFailed."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    notebook = nbformat.from_dict(_notebook(cells))  # type: ignore[no-untyped-call]
    at = exercise.notebook.parent if exercise.notebook.parent.is_dir() else exercise.root
    try:
        with tempfile.TemporaryDirectory(prefix="fathom-") as sockets:
            place = {"metadata": {"path": str(at)}}
            kernels = _kernels(Path(sockets))
            client = NotebookClient(notebook, kernel_manager_class=kernels, timeout=SECONDS, resources=place)
            client.execute(env=_environment(exercise))
    except CellExecutionError as error:
        raise RunFailed(
            f"{exercise.source}: a cell raised {error.ename}: {error.evalue}\n"
            f"Mend it, or tag it raises-exception if that is what it shows.\n\n{_plain(str(error))}"
        ) from None
    except (CellTimeoutError, RuntimeError) as error:  # too slow, or the kernel died or never came up
        raise RunFailed(f"{exercise.source}: {' '.join(str(error).split())[:400]}") from None
    return {cell.index: made.get("outputs", []) for cell, made in zip(cells, notebook.cells[1:], strict=True)}


def _notebook(cells: Iterable[Cell]) -> dict[str, Any]:
    """A notebook of the preamble and these cells."""
    sources = [(_PREAMBLE.read_text(encoding="utf-8"), []), *((c.source, c.metadata.get("tags", [])) for c in cells)]
    fixed: dict[str, Any] = {"cell_type": "code", "execution_count": None}
    made = [
        {**fixed, "id": f"cell-{number}", "source": source, "metadata": {"tags": tags}, "outputs": []}
        for number, (source, tags) in enumerate(sources)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}


def _kernels(sockets: Path) -> type[Any]:
    """A class of managers whose kernel is this very Python, whatever kernels the machine has registered."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(connection_file=str(sockets / "kernel.json"), **options)
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            self._kernel_spec = KernelSpec(argv=argv, display_name="Python 3", language="python")
            if os.name == "posix":
                self.transport, self.ip = "ipc", str(sockets / "kernel")  # no ports, and only this user can open them

    return ThisPython


def _environment(exercise: Exercise) -> dict[str, str]:
    """This environment, made to find the package and the repository."""
    package = str(Path(autograder.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH", ""))))
    inline = "module://matplotlib_inline.backend_inline"
    ours = {"PYTHONPATH": path, "FATHOM_ROOT": str(exercise.root), "FATHOM_LOG": "off", "MPLBACKEND": inline}
    return {**os.environ, **ours}


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file's lock, so that of two builds one runs the lesson and the other waits for it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _keep(raw: Mapping[int, list[dict[str, Any]]], home: Path, folder: Path) -> None:
    """Write a run beside its place and move it there whole; earlier runs of the exercise go."""
    for old in home.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
    new = home / "new"
    new.mkdir()
    names = (f"{number:02d}" for number in range(1, 1_000))
    found = {index: [asdict(out) for out in _merged(_outputs(outs, new, names))] for index, outs in raw.items()}
    (new / "run.json").write_text(json.dumps({k: v for k, v in found.items() if v}), encoding="utf-8")
    new.rename(folder)


def _loaded(folder: Path) -> Run:
    found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return Run(folder, {int(index): tuple(Output(**out) for out in outs) for index, outs in found.items()})


def _outputs(raw: Iterable[Mapping[str, Any]], folder: Path, names: Iterator[str]) -> Iterator[Output]:
    """Outputs as a kernel sends them, pictures written to files; what goes to stderr belongs to one machine only."""
    for out in raw:
        kind, data = out["output_type"], out.get("data", {})
        if kind == "stream" and out["name"] == "stdout":
            yield Output("text", _plain(out["text"]))
        elif kind == "error":
            yield Output("error", _plain(f"{out['ename']}: {out['evalue']}".removesuffix(": ")))
        elif "image/png" in data:
            about = out.get("metadata", {}).get("image/png", {})
            file = f"{next(names)}.png"
            (folder / file).write_bytes(base64.b64decode(data["image/png"]))
            size = int(about.get("width", 0)), int(about.get("height", 0))
            yield Output("picture", str(about.get("alt", "")), file, *size)
        elif "image/svg+xml" in data:
            file = f"{next(names)}.svg"
            (folder / file).write_text(data["image/svg+xml"], encoding="utf-8")
            yield Output("picture", "", file)
        elif "text/html" in data:
            yield Output("html", data["text/html"])
        elif "text/plain" in data:
            yield Output("text", _plain(data["text/plain"]) + "\n")


def _merged(outputs: Iterable[Output]) -> list[Output]:
    """Neighbouring texts as one: a kernel cuts what is printed wherever its buffer ends."""
    found: list[Output] = []
    for out in outputs:
        if out.kind == "text" and found and found[-1].kind == "text":
            found[-1] = Output("text", found[-1].text + out.text)
        else:
            found.append(out)
    return found


def _plain(text: str) -> str:
    """Text without colours and control characters; of a line that was overwritten, what stood there last."""
    lines = text.replace("\r\n", "\n").split("\n")
    return _ANSI.sub("", "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines))
