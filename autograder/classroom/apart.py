"""Grade a few submissions with `fathom grade` in a process of its own: for hosts that have threads or a kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from autograder.classroom.store import kept
from autograder.curriculum import ROOT_VARIABLE
from autograder.judge.report import Report

# It ends with the process that started it.
MORTAL = "from autograder.observe.zygote import PR_SET_PDEATHSIG, prctl; prctl(PR_SET_PDEATHSIG, 9)"
COMMAND = (sys.executable, "-c", f"{MORTAL}; from autograder.cli import main; main()")


class NotGraded(RuntimeError):
    """The process could not grade anything; the sentences are its own."""


def grade(root: Path, exercise: str, files: Sequence[tuple[str, bytes]], options: Sequence[str] = ()) -> list[Report]:
    """Reports on submissions of one exercise, given as (suffix, content), in their order; raises NotGraded."""
    with tempfile.TemporaryDirectory(prefix="fathom-batch-") as place:
        folder, out = Path(place, "class"), Path(place, "out")
        paths = [folder / f"{number:04d}" / f"{exercise}{suffix}" for number, (suffix, _) in enumerate(files)]
        for path, (_, data) in zip(paths, files, strict=True):
            path.parent.mkdir(parents=True)
            path.write_bytes(data)
        words = ["grade", str(folder), "--exercise", exercise, "--out", str(out), "--json", *options]
        environment = {**os.environ, ROOT_VARIABLE: str(root)}
        done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=environment)
        if not done.stdout.startswith("{"):
            raise NotGraded(done.stderr.strip()[-2000:] or f"`fathom grade` ended with status {done.returncode}")
        found = {report.path: report for report in kept(out)}
        for entry in json.loads(done.stdout)["submissions"]:
            if entry["error"] is not None:
                found[entry["path"]] = Report(entry["path"], exercise, error=entry["error"])
        return [found[str(path)] for path in paths]
