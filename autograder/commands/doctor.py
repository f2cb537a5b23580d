"""`fathom doctor`: what this machine has and lacks, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.commands.course import load


@dataclass(frozen=True)
class Finding:
    """One line of the examination: good, or what is missing and what to do."""

    good: bool
    what: str
    advice: str = ""
    needed: bool = True


def run() -> int:
    """Examine and show; 1 where something that is needed is missing."""
    from autograder.render.terminal import console

    screen = console()
    findings = list(examine())
    for finding in findings:
        mark, style = ("✓", "green") if finding.good else ("✗", "red") if finding.needed else ("·", "yellow")
        screen.print(f"{mark} {finding.what}", style=style)
        if not finding.good and finding.advice:
            screen.print(f"    {finding.advice}", style="dim")
    return 1 if any(finding.needed and not finding.good for finding in findings) else 0


def examine() -> Iterator[Finding]:
    """Every finding, cheapest first."""
    python = platform.python_version()
    yield Finding(sys.version_info >= (3, 11), f"Python {python}", "Fathom needs Python 3.11 or newer.")
    yield Finding(
        hasattr(os, "fork"),
        f"{platform.system()} {'can' if hasattr(os, 'fork') else 'cannot'} fork warm workers",
        "On Windows, run Fathom inside WSL: `wsl --install`, then clone and `make learn` there.",
    )
    course = load()
    yield Finding(
        bool(course.exercises), f"{len(course.exercises)} exercises in {course.root}", "Clone the repository."
    )
    yield from packages()
    yield worker()
    yield Finding(
        shutil.which("bwrap") is not None,
        "bubblewrap, for grading other people's code",
        "Only `fathom grade` needs it: `apt install bubblewrap`, or your system's package of that name.",
        needed=False,
    )
    chromium = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None)
    yield Finding(chromium is not None, "a Chromium, for the browser tests", "Only the project's tests need it.", False)
    cores = os.cpu_count() or 1
    yield Finding(cores >= 2, f"{cores} processor cores", "One core works; verdicts take longer.", needed=False)
    free = shutil.disk_usage(course.root).free / 2**30
    yield Finding(free > 1, f"{free:.0f} GiB free on this disk", "Notebooks and backups want a gigabyte.", needed=False)


def packages() -> Iterator[Finding]:
    """The packages that the base install brings, and the optional ones."""
    for name in ("torch", "numpy", "pytest", "jupyterlab", "nbgrader", "jupytext", "watchfiles", "matplotlib"):
        yield Finding(importlib.util.find_spec(name) is not None, name, "Run `make learn`, which installs it.")
    for name, use in (("mkdocs", "the study site"), ("transformers", "cross-checks and fine-tuning")):
        found = importlib.util.find_spec(name) is not None
        yield Finding(found, f"{name}, for {use}", "`make test` installs it.", needed=False)


def worker() -> Finding:
    """Whether a worker starts, answers, and says which torch and device it has."""
    from autograder.observe.client import Zygote

    code = "def what(learner):\n    return torch.__version__, torch.cuda.is_available()\n"
    try:
        with Zygote() as zygote:
            one = zygote.worker()
            one.load([], {}, {}, 60.0)
            answer = one.observe(code, "what", (), {}, 20.0)
            one.close()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return Finding(False, "a worker to run your code in", f"It did not start: {error}")
    if answer.kind != "value":
        return Finding(False, "a worker to run your code in", answer.message)
    version, gpu = answer.value
    return Finding(True, f"a worker answers: torch {version}, {'with' if gpu else 'no'} GPU")
