"""Inside bubblewrap: fork workers that share nothing with each other, and shut each one in for good.

A worker has namespaces of its own for processes, mounts, network and IPC, an empty /tmp, no /proc, no capabilities, a
user of its own, limits, Landlock and a filter of system calls. It is the first process of its namespace, so whatever
it started ends with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import socket

from autograder.observe import landlock, seccomp

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
NOSUID, NODEV, NOEXEC, DETACH = 2, 4, 8, 2
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP = 38, 24
CAPABILITY_VERSION_3 = 0x20080522
MIB = 2**20
SPACE = 64 * MIB  # of /tmp
HOME = "/tmp"
NOBODY = 65534
STRANGERS = 0x70000000  # user ids from here on belong to nobody, each to one worker: their limits are their own

LIMITS = {
    resource.RLIMIT_CPU: 600,
    resource.RLIMIT_NPROC: 64,
    resource.RLIMIT_NOFILE: 256,
    resource.RLIMIT_FSIZE: SPACE,
    resource.RLIMIT_MSGQUEUE: 0,
    resource.RLIMIT_MEMLOCK: 0,
    resource.RLIMIT_CORE: 0,
}

libc = ctypes.CDLL(None, use_errno=True)


class Cells:
    """Forks children into process namespaces of their own."""

    def __init__(self) -> None:
        self.here = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def fork(self) -> int:
        """As os.fork; the child is process 1 of a new namespace."""
        call("unshare", NEWPID)
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid:
                call("setns", self.here, NEWPID)
        return pid

    def shut(self) -> None:
        """In the child: give up all that a submission does not need, for good; OSError where something stays."""
        call("unshare", NEWNS | NEWNET | NEWIPC | NEWUTS)
        options = f"size={SPACE},nr_inodes=4096,mode=1777".encode()
        call("mount", b"fathom", HOME.encode(), b"tmpfs", NOSUID | NODEV | NOEXEC, options)
        proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        for place in (b"/dev/pts", b"/proc"):
            call("umount2", place, DETACH)
        become_stranger(proc)
        os.close(proc)
        drop_capabilities()
        bolt()


def bolt() -> None:
    """Give up, for good, what needs no namespace to be given up; OSError where something stays."""
    os.chdir(HOME)
    for kind, amount in LIMITS.items():
        resource.setrlimit(kind, (amount, amount))
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_STACK):  # what limits.py asked for, and no way back
        resource.setrlimit(kind, (resource.getrlimit(kind)[0],) * 2)
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    landlock.restrict(libc, {HOME: ~0, "/dev/null": landlock.WRITE_FILE | landlock.READ_FILE})
    seccomp.install(libc)


def become_stranger(proc: int) -> None:
    """Become a user that owns nothing: one of its own where we are root, else nobody in a user namespace of its own."""
    stranger = STRANGERS + int.from_bytes(os.urandom(3), "big")
    try:
        os.setgroups([])
        os.setresgid(stranger, stranger, stranger)
        os.setresuid(stranger, stranger, stranger)
        return
    except OSError:  # not root: there is one user to be, and a new name for it
        uid, gid = os.getuid(), os.getgid()
    call("unshare", NEWUSER)
    for name, line in (("setgroups", "deny"), ("uid_map", f"{NOBODY} {uid} 1"), ("gid_map", f"{NOBODY} {gid} 1")):
        descriptor = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
        os.write(descriptor, line.encode())
        os.close(descriptor)


def drop_capabilities() -> None:
    """Leave no capability, and none to be had again."""
    for number in range(64):
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    call("capset", header, (ctypes.c_uint32 * 6)())


def call(name: str, *arguments: object) -> None:
    """Call a function of the C library; OSError says which one failed."""
    if getattr(libc, name)(*arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def rehearse() -> None:
    """Fork and shut in one child without torch in it; OSError where that does not work here."""
    ours, theirs = socket.socketpair()
    cells = Cells()
    pid = cells.fork()
    if pid == 0:
        status = 1
        with contextlib.suppress(BaseException):
            try:
                cells.shut()
                status = 0
            except OSError as error:
                theirs.send(str(error).encode())
        os._exit(status)
    theirs.close()
    said = ours.recv(400).decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    if status:
        raise OSError(said or f"the first process in it ended with status {status}")
