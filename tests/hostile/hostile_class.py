"""Write a class full of attackers with honest people between them, and grade it as one kind of user."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hostile_files as files
from attacks import Attack, attacks

from autograder import curriculum
from autograder.bugs.catalogue import catalogue, mutated
from autograder.notebook import Cell, read

REPOSITORY = Path(__file__).resolve().parents[2]
COURSE = REPOSITORY / "tests" / "course"
NOBODY = 65534
SEED = "20240229"
HONEST = "honest"  # what the honest students' names begin with


@dataclass(frozen=True)
class Outcome:
    """What one run over the whole class came to."""

    folder: Path
    out: Path
    reports: dict[str, dict[str, Any]]  # by student
    alone: dict[str, dict[str, Any]]  # the honest ones, graded without the others
    attacks: dict[str, Attack]
    told: str  # on stderr
    status: int
    touched: list[str]  # canaries that something reached


def as_user(user: str) -> list[str]:
    """What goes before a command so that it runs as this user."""
    if user == "me":
        return []
    below = [str(parent) for parent in Path(os.path.realpath(sys.executable)).parents]
    words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    closed = [parent for parent in below if not os.stat(parent).st_mode & 0o001]
    if not closed:
        return words
    # Python lives where only root may enter: let nobody in, in a mount namespace of this command's own.
    outer, inner = closed[-1], below[below.index(closed[-1]) - 1]
    steps = [
        "D=$(mktemp -d)",
        f"mount --bind {inner} $D",
        f"mount -t tmpfs -o mode=755 tmpfs {outer}",
        f"mkdir {inner}",
    ]
    script = " && ".join([*steps, f"mount --bind $D {inner}", f'exec {shlex.join(words)} "$@"'])
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


def unguarded(source: Path, place: Path) -> Path:
    """A copy of a course that forbids nothing by name, so that attacks meet the lock alone."""
    shutil.copytree(source, place)
    for lesson in place.glob("solutions/*/*/exercise.py"):
        lesson.write_text(re.sub(r"from_scratch: \[.*\]", "from_scratch: []", lesson.read_text()))
    return place


def run(user: str) -> dict[str, Any]:
    """Write the class, grade it as `user`, and grade the honest ones alone."""
    place = Path(tempfile.mkdtemp(prefix="fathom-hostile-"))
    canary = Path(tempfile.mkdtemp(prefix="fathom-canary-"))
    for folder in (place, canary):
        folder.chmod(0o777)
    course = unguarded(COURSE, place / "course")
    everyone, few = place / "class", place / "few"
    with listening() as (port, heard):
        honest(everyone)
        honest(few)
        known = {
            a.name: a for a in attacks(course, everyone / "honest-reference" / "tally.py", canary / "touched", port)
        }
        for name, attack in known.items():
            (everyone / name).mkdir()
            (everyone / name / "tally.py").write_text(attack.source, encoding="utf-8", errors="surrogateescape")
        files.write(everyone, course)
        graded = grade(user, course, everyone, place / "out")
        alone = grade(user, course, few, place / "alone")
        touched = [*map(str, canary.iterdir()), *heard, *(["/tmp/pwned"] if Path("/tmp/pwned").exists() else [])]
    shutil.rmtree(canary)
    return {
        "folder": str(everyone),
        "out": str(place / "out"),
        "reports": by_student(graded, everyone),
        "alone": by_student(alone, few),
        "attacks": {name: vars(attack) for name, attack in known.items()},
        "told": graded.stderr,
        "status": graded.returncode,
        "touched": touched,
    }


def grade(user: str, course: Path, folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """`fathom grade` in a process of its own, watched for what it leaves behind."""
    code = "from autograder.cli import main; main()"
    command = [
        sys.executable,
        "-c",
        code,
        "grade",
        str(folder),
        "--out",
        str(out),
        "--jobs",
        "2",
        "--seed",
        SEED,
        "--json",
    ]
    runner = str(Path(__file__).with_name("runner.py"))
    environment = {**os.environ, "FATHOM_ROOT": str(course), "PYTHONPATH": str(REPOSITORY), "HOME": str(out.parent)}
    words = [*as_user(user), sys.executable, runner, *command]
    return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=500, cwd=out.parent)


def by_student(graded: subprocess.CompletedProcess[str], folder: Path) -> dict[str, dict[str, Any]]:
    """The reports of a run by the outermost folder of each."""
    assert graded.returncode in (0, 1), graded.stderr
    reports = json.loads(graded.stdout)["submissions"]
    return {Path(report["path"]).relative_to(folder).parts[0]: report for report in reports}


def told(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what may differ."""
    return {key: value for key, value in report.items() if key not in ("seconds", "path")}


def honest(folder: Path) -> None:
    """Three people who do their own work: one right, one right in another way, one with a misconception."""
    exercise = curriculum.load(COURSE).exercise("tally")
    listing = catalogue(exercise)
    written = {
        f"{HONEST}-reference": read(exercise.source),
        f"{HONEST}-variant": mutated(exercise, listing.variants[0]),
        f"{HONEST}-mistaken": mutated(exercise, listing.bug("count-for-total")),
    }
    for name, cells in written.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "tally.py").write_text(as_script(cells), encoding="utf-8")


def as_script(cells: tuple[Cell, ...]) -> str:
    """Code cells as a plain script."""
    return "\n\n".join(cell.source for cell in cells if cell.kind == "code" and not cell.source.startswith("check("))


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """A port on this machine, and who called there."""
    heard: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def wait() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                heard.append(f"a connection from {address}")
                connection.close()

        threading.Thread(target=wait, daemon=True).start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)
