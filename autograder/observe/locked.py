"""The locked zygote, from outside: the same warm process inside bubblewrap, where nothing worth stealing is mounted.

It sees Python, its packages and the modules that a worker needs, read-only: no repository, no solutions, no checks,
no submissions, no home. What it forks shuts itself in (see cell.py). It is the only zygote for other people's code.

What travels in with a submission: the source of each observation, its inputs, and, only where the submission builds on an
earlier exercise with `carry`, the reference of that one. Whoever may carry an exercise can therefore read its reference,
and print it into their own feedback: grade an exercise when those that it needs are due. The exercise's own reference,
its checks and every expected value stay with the judge; whatever a worker says is data from a stranger.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

from autograder.observe.cell import SPACE

PACKAGE = Path(__file__).resolve().parents[1]
INSIDE = "/fathom"  # where the worker's modules lie in there
OUTSIDE = str(PACKAGE.parent)
NEEDED = ("__init__.py", "method.py", "observe")
SYSTEM = "/usr/lib /usr/lib32 /usr/lib64 /lib /lib32 /lib64 /etc/ld.so.cache /etc/alternatives /nix/store".split()
AS_ROOT = ("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL")
AS_USER = ("CAP_SYS_ADMIN", "CAP_SETFCAP")  # in the user namespace only
ENVIRONMENT = {
    "PATH": "/nowhere",
    "HOME": "/tmp",
    "USER": "learner",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
SERVE = "from autograder.observe.zygote import main; main(locked=True)"
REHEARSE = "from autograder.observe.cell import rehearse; rehearse()"
SERVE_ALONE = "from autograder.observe.lone import work; work()"
REHEARSE_ALONE = "from autograder.observe.lone import rehearse; rehearse()"
TRUST = "Or, if you trust every submission as you trust your own code, run it with --trust."


class NoLock(RuntimeError):
    """The locked worker cannot be had here; the sentences say why, and what to install or to set."""


def command(hidden: Iterable[Path] = ()) -> list[str]:
    """What starts a locked zygote; nothing below a `hidden` folder is mounted, Python itself apart.

    Where namespaces do not nest it starts a launcher of one sandbox for each worker. Raises NoLock where this machine
    cannot lock.
    """
    if nests():
        return [*_sandbox(AS_ROOT if os.geteuid() == 0 else AS_USER, hidden), _boot(SERVE)]
    alone = [*_sandbox((), hidden), _boot(SERVE_ALONE)]
    serve = f"from autograder.observe.lone import launch; launch({alone!r})"
    return [sys.executable, "-P", "-c", _boot(serve, OUTSIDE)]


@functools.cache
def nests() -> bool:
    """Whether a locked zygote can fork locked workers; else each needs a sandbox of its own. Raises NoLock.

    A first process without torch in it is locked, so that what does not work is said at once.
    """
    if sys.platform != "linux":
        raise NoLock("Other people's code is locked in with Linux namespaces: grade on Linux, in WSL or a VM. " + TRUST)
    if shutil.which("bwrap") is None:
        raise NoLock(
            "Other people's code is locked in with bubblewrap, which is not installed: `apt install bubblewrap`, "
            f"`dnf install bubblewrap` or `pacman -S bubblewrap`. {TRUST}"
        )
    root = os.geteuid() == 0
    why = _tried([*_sandbox(AS_ROOT if root else AS_USER), _boot(REHEARSE)])
    if why and (root or _tried([*_sandbox(()), _boot(REHEARSE_ALONE)])):  # of root, no limit counts the threads
        raise NoLock(f"Other people's code cannot be locked in here: {why}. {advice()} {TRUST}")
    return not why


def _tried(words: Sequence[str]) -> str:
    """What a command complains of last; nothing where it succeeds."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def advice() -> str:
    """What to do, from the settings that are known to forbid user namespaces."""
    for name, forbids, advice in (
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=10000"),
    ):
        try:
            value = Path("/proc/sys", name).read_text().strip()
        except OSError:
            continue
        if value == forbids:
            return f"User namespaces are switched off: `{advice}`, or grade as root."
    return (
        "In a container, start it with `--privileged`, or with `--cap-add SYS_ADMIN --security-opt seccomp=unconfined`."
    )


def _boot(run: str, modules: str = INSIDE) -> str:
    """Python that finds the worker's modules and the installed packages, and runs a line."""
    places = [modules, *_packages()]
    return f"import sys; sys.path[:0] = {places!r}; {run}"


def _packages() -> list[str]:
    """The folders of installed packages that this Python finds."""
    return [place for place in sys.path if os.path.basename(place) in ("site-packages", "dist-packages")]


def _sandbox(capabilities: Sequence[str], hidden: Iterable[Path] = ()) -> list[str]:
    """Bubblewrap and its options, up to the Python that is to run a line; inside it has these capabilities."""
    python = os.path.realpath(sys.executable)
    words = ["env", "-i", *(f"{key}={value}" for key, value in ENVIRONMENT.items()), shutil.which("bwrap") or "bwrap"]
    words += [
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--die-with-parent",
        "--cap-drop",
        "ALL",
    ]
    if os.geteuid() != 0:
        words += ["--unshare-user", "--uid", "0", "--gid", "0"]
    for capability in capabilities:
        words += ["--cap-add", capability]
    size = [] if capabilities else ["--size", str(SPACE)]  # those without mount nothing smaller themselves
    words += ["--proc", "/proc", "--dev", "/dev", *size, "--tmpfs", "/tmp"]
    words += _mounts(python, hidden)
    for name in NEEDED:
        words += ["--ro-bind", str(PACKAGE / name), f"{INSIDE}/autograder/{name}"]
    words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--", python, "-s", "-S", "-P", "-c"]
    return words


def _mounts(python: str, hidden: Iterable[Path]) -> Sequence[str]:
    """Folders to bind and folders to cover, outer ones first, so that the innermost decides."""
    libraries = [os.path.join(sys.base_prefix, name) for name in ("lib", "lib64")]
    wanted = [*SYSTEM, *libraries, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *_packages(), python]
    shown = {os.path.abspath(place) for place in wanted if os.path.exists(place)}
    covered = {os.path.realpath(place) for place in (PACKAGE, *hidden)}
    plan = {place: ["--ro-bind", place, place] for place in shown}
    for place in covered - shown:
        if any(place.startswith(f"{outer}/") for outer in shown) and os.path.isdir(place):
            plan[place] = ["--tmpfs", place]
    words = [word for place in sorted(plan, key=lambda place: place.split("/")) for word in plan[place]]
    return [*words, *(word for place in plan if place not in shown for word in ("--remount-ro", place))]
