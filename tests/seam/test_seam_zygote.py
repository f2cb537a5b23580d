"""However a zygote ends, it takes everybody along: workers, what they started, what ran away, and their files."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from seam_asking import load, look

from autograder.observe import pages
from autograder.observe.client import Zygote, ZygoteLost

RUNAWAYS = """\
import subprocess
subprocess.Popen(['sleep', '1000'])
subprocess.Popen(['sleep', '1000'], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
open('file', 'w').write('x')
return os.getcwd()"""


@pytest.fixture
def crowded(family: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Zygote, str]]:
    """A zygote with a worker whose submission has started processes of every kind, and where that one works."""
    monkeypatch.setattr(os, "environ", family.environment)
    zygote = Zygote()
    worker = zygote.worker()
    load(worker, RUNAWAYS)
    answer = look(worker)
    assert answer.kind == "value", answer
    while len(family.alive()) < 6:  # the zygote, two workers, two sleepers and a daemon
        time.sleep(0.02)
    yield zygote, answer.value
    zygote.close()


def test_a_zygote_that_is_closed_takes_everybody_along(crowded: tuple[Zygote, str], family: Any) -> None:
    zygote, folder = crowded
    began = time.monotonic()
    zygote.close()
    assert not family.alive()
    assert time.monotonic() - began < 5
    assert not Path(folder).parent.exists()


def test_a_zygote_that_is_told_to_end_takes_everybody_along(crowded: tuple[Zygote, str], family: Any) -> None:
    zygote, _ = crowded
    zygote.process.send_signal(signal.SIGHUP)
    zygote.process.wait(20)
    assert not family.alive()


def test_a_zygote_that_is_killed_is_cleared_up_after(crowded: tuple[Zygote, str], family: Any) -> None:
    zygote, folder = crowded
    zygote.process.kill()
    zygote.process.wait()
    with pytest.raises(ZygoteLost, match="gone: it was killed, or the memory ran out"):
        zygote.worker().load([], {}, {})
    zygote.close()
    assert not family.settle()
    assert not Path(folder).parent.exists()


def test_a_zygote_killed_under_its_worker_is_no_crash_of_the_submission(family: Any) -> None:
    with Zygote() as zygote:
        worker = zygote.worker()
        assert worker.load([], {}, {}, seconds=0.5).kind == "value"  # no deadline counts the warming up
        load(worker, "os.kill(os.getppid(), 9)\ntime.sleep(60)")
        with pytest.raises(ZygoteLost):
            look(worker)


def test_a_zygote_that_is_asked_often_moves_to_large_pages_and_forks_as_before() -> None:
    if not large_pages_are_to_be_had():
        pytest.skip("this system does not make large pages on request")
    with Zygote() as zygote:
        for _ in range(20):
            worker = zygote.worker()
            load(worker, "return 7")
            assert look(worker).value == 7
            worker.close()
        told = Path(f"/proc/{zygote.process.pid}/smaps_rollup").read_text()
    (large,) = (int(line.split()[1]) for line in told.splitlines() if line.startswith("AnonHugePages:"))
    assert large > 50_000, told  # kB; torch alone brings 140,000


def large_pages_are_to_be_had() -> bool:
    with mmap.mmap(-1, 2 * pages.LARGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory[:] = bytes([1]) * len(memory)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        place = -(-start // pages.LARGE) * pages.LARGE
        return ctypes.CDLL(None).madvise(ctypes.c_void_p(place), ctypes.c_size_t(pages.LARGE), pages.MADV_COLLAPSE) == 0


def test_a_zygote_that_cannot_start_is_lost_at_once(tmp_path: Path) -> None:
    with Zygote(["false"]) as zygote, pytest.raises(ZygoteLost):
        zygote.worker().load([], {}, {})
