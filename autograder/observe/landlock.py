"""Landlock: a process gives up rights to files, sockets and signals for good, where the kernel knows how."""

from __future__ import annotations

import ctypes
import os
import struct

CREATE, ADD_RULE, RESTRICT = 444, 445, 446  # system call numbers, the same on every machine
VERSION = 1  # asks CREATE for the version of the interface
BENEATH = 1  # the kind of rule that names a folder
WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # how many rights to files each version knows, lowest bits first


def restrict(libc: ctypes.CDLL, writable: dict[str, int]) -> int:
    """Leave this process reading, and only the rights given for each path in `writable`; returns the version, or 0.

    From version 4 on it may use no TCP, from version 6 on reach nobody outside by signal or abstract socket.
    """
    version: int = libc.syscall(CREATE, None, 0, VERSION)
    if version < 1:
        return 0
    files = every_right(version)
    attributes = struct.pack("=QQQ", files, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = libc.syscall(CREATE, attributes, size, 0)
    if rules < 0:
        return 0
    try:
        for path, rights in {"/": READ_FILE | READ_DIR, **writable}.items():
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                libc.syscall(ADD_RULE, rules, BENEATH, struct.pack("=Qi", rights & files, place), 0)
            finally:
                os.close(place)
        return version if libc.syscall(RESTRICT, rules, 0) == 0 else 0
    finally:
        os.close(rules)


def every_right(version: int) -> int:
    """The bits of all rights to files that a version of the interface knows."""
    known = max(count for since, count in RIGHTS.items() if since <= version)
    return (1 << known) - 1
