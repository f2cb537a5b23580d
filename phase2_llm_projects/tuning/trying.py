"""Whether a written script is one: it parses, and in Python's case runs dry in the sandbox that strangers' code is graded in."""

from __future__ import annotations

import ast
import contextlib
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from autograder.observe import locked
from autograder.observe.client import Zygote, ZygoteLost
from tuning.task import Job

SECONDS = 5.0
NAME = re.compile(r"[a-z]+-[a-z\d]+|\d[\d.]*\d")
RUN = '''
def dry_run(learner, text):
    """Execute a script as a program; what it prints comes back with the answer."""
    namespace = {"__name__": "__main__", "__builtins__": __builtins__}
    try:
        exec(compile(text, "script.py", "exec"), namespace)
    except SystemExit as end:
        return end.code in (None, 0)
    return True
'''


@dataclass(frozen=True)
class Written:
    """A script as a model wrote it, and what became of it; None where it could not be tried."""

    job: Job
    text: str
    ended: bool  # the model said that it was finished
    parses: bool | None
    runs: bool | None
    said: str  # the first complaint, or what it printed


def kept_names(written: Sequence[Written]) -> str:
    """How many of the requests' names and numbers (card-ledger, 2.9.6, web-12) stand in the scripts' commands, in words."""
    wanted = [(name, commands(one)) for one in written for name in NAME.findall(one.job.request)]
    return f"{sum(name in text for name, text in wanted)} of {len(wanted)}" if wanted else "none asked for"


def commands(one: Written) -> str:
    """A script without its comments and first docstring, where it may repeat the request."""
    if one.job.language == "python":
        parts = one.text.split('"""', 2)
        return parts[-1] if len(parts) == 3 else one.text
    return "\n".join(line for line in one.text.splitlines() if not line.lstrip().startswith("#"))


@contextlib.contextmanager
def sandbox(wanted: bool, say: Callable[[str], object]) -> Iterator[Zygote | None]:
    """The locked one, for a model's code is a stranger's; None where it is not wanted or cannot be had here."""
    try:
        command = locked.command() if wanted else None
    except locked.NoLock as error:
        say(
            f"Scripts are parsed and not run, for there is no sandbox here. {str(error).replace(locked.TRUST, '').strip()}"
        )
        command = None
    if command is None:
        yield None
        return
    with Zygote(command) as zygote:
        yield zygote


def tried(job: Job, text: str, ended: bool, zygote: Zygote | None) -> Written:
    """Parse a script, and run it if it is Python and parses."""
    if not text.strip():
        return Written(job, text, ended, False, False if job.language == "python" else None, "nothing was written")
    if job.language == "shell":
        parses, said = in_bash(text)
        return Written(job, text, ended, parses, None, said)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Written(job, text, ended, False, False, f"{type(error).__name__}: {error}".splitlines()[0])
    if zygote is None:
        return Written(job, text, ended, True, None, "")
    runs, said = in_sandbox(text, zygote)
    return Written(job, text, ended, True, runs, said)


def in_bash(text: str) -> tuple[bool | None, str]:
    """`bash -n` reads a script and runs nothing of it; None where there is no bash."""
    bash = shutil.which("bash")
    if bash is None:
        return None, "there is no bash here"
    try:
        done = subprocess.run(
            [bash, "--noprofile", "--norc", "-n"], input=text.encode(), capture_output=True, timeout=SECONDS, env={}
        )
    except subprocess.TimeoutExpired:
        return False, "bash -n did not come to an end"
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return done.returncode == 0, said[0] if said else ""


def in_sandbox(text: str, zygote: Zygote) -> tuple[bool | None, str]:
    """Run a Python script in a locked worker: no files of yours, no network, no other programs, a few seconds."""
    try:
        worker = zygote.worker()
        try:
            loaded = worker.load([], {}, {})
            if loaded.kind != "value":
                return None, "the sandbox did not start"
            answer = worker.observe(RUN, "dry_run", [text], {}, SECONDS)
        finally:
            worker.close()
    except (ZygoteLost, OSError) as error:
        return None, str(error)
    if answer.kind == "value":
        lines = answer.printed.splitlines()
        return answer.value is True, lines[-1] if lines else ""
    if answer.raised is not None:
        return False, f"{answer.raised.type}: {answer.raised.message}".splitlines()[0]
    return False, answer.message


def share(found: Sequence[bool | None]) -> str:
    """How many are true of those that were tried, in words."""
    tried_ones = [value for value in found if value is not None]
    return f"{sum(tried_ones)} of {len(tried_ones)}" if tried_ones else "not tried"
