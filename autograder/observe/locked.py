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

PACKAGE = Path(__file__).resolve().parents[1]
INSIDE = "/fathom"  # where the worker's modules lie in there
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
TRUST = "Or, if you trust every submission as you trust your own code, run it with --trust."


class NoLock(RuntimeError):
    """The locked worker cannot be had here; the sentences say why, and what to install or to set."""


def command(hidden: Iterable[Path] = ()) -> list[str]:
    """What starts a locked zygote; nothing below a `hidden` folder is mounted, Python itself apart.

    Raises NoLock where this machine cannot lock.
    """
    _rehearsed()
    return [*_sandbox(hidden), _boot(SERVE)]


@functools.cache
def _rehearsed() -> None:
    """Lock a first process without torch in it, so that what does not work is said at once; raises NoLock."""
    if sys.platform != "linux":
        raise NoLock("Other people's code is locked in with Linux namespaces: grade on Linux, in WSL or a VM. " + TRUST)
    if shutil.which("bwrap") is None:
        raise NoLock(
            "Other people's code is locked in with bubblewrap, which is not installed: `apt install bubblewrap`, "
            f"`dnf install bubblewrap` or `pacman -S bubblewrap`. {TRUST}"
        )
    tried = subprocess.run([*_sandbox(), _boot(REHEARSE)], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    if tried.returncode:
        lines = tried.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {tried.returncode}"]
        raise NoLock(f"Other people's code cannot be locked in here: {lines[-1]}. {_advice()} {TRUST}")


def _advice() -> str:
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


def _boot(run: str) -> str:
    """Python that finds the worker's modules and the installed packages, and runs a line."""
    places = [INSIDE, *_packages()]
    return f"import sys; sys.path[:0] = {places!r}; {run}"


def _packages() -> list[str]:
    """The folders of installed packages that this Python finds."""
    return [place for place in sys.path if os.path.basename(place) in ("site-packages", "dist-packages")]


def _sandbox(hidden: Iterable[Path] = ()) -> list[str]:
    """Bubblewrap and its options, up to the Python that is to run a line."""
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
    root = os.geteuid() == 0
    if not root:
        words += ["--unshare-user", "--uid", "0", "--gid", "0"]
    for capability in AS_ROOT if root else AS_USER:
        words += ["--cap-add", capability]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
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
