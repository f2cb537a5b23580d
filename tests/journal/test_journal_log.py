"""The file of events: order whatever the clock does, repair of torn lines, and disks that refuse."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from autograder import journal
from autograder.journal import log
from autograder.journal.log import place

DAY = 86_400.0
NOW = 1_772_625_600.0


def note(number: int) -> dict[str, object]:
    return {"kind": "aha", "file": f"{number}.md"}


def numbers(root: Path, now: float = NOW) -> list[int]:
    found = journal.read(root, now)
    return [int(event.said["file"][:-3]) for event in found.events]


def write(root: Path, *marks: tuple[int, float]) -> None:
    for number, at in marks:
        assert journal.append(root, note(number), at) is None


def test_no_log_is_an_empty_log(tmp_path):
    assert journal.read(tmp_path) == journal.Log()


def test_events_come_back_in_the_order_they_were_written(tmp_path):
    write(tmp_path, *[(number, NOW + number) for number in range(20)])
    assert numbers(tmp_path, NOW + DAY) == list(range(20))
    events = journal.read(tmp_path, NOW + DAY).events
    assert [event.after for event in events] == ["", *(event.id for event in events[:-1])]
    assert events[3].at == NOW + 3


@pytest.mark.parametrize("jump", [-30 * DAY, -NOW, -1.0, 3650 * DAY], ids=["back", "1970", "a second", "ahead"])
def test_a_clock_that_jumps_changes_no_order(tmp_path, jump):
    times = [NOW - 100, NOW - 90, NOW - 80 + jump, NOW - 70 + jump, NOW - 60, NOW - 50]
    write(tmp_path, *enumerate(times))
    assert numbers(tmp_path) == [0, 1, 2, 3, 4, 5]


def test_a_clock_that_was_ahead_from_the_first_event_on_changes_no_order(tmp_path):
    write(tmp_path, (0, NOW + 100 * DAY), (1, NOW - 20), (2, NOW - 10))
    assert numbers(tmp_path) == [0, 1, 2]


def torn(root: Path, size: int) -> None:
    path = place(root)
    path.write_bytes(path.read_bytes()[:size])


def test_a_last_line_torn_anywhere_costs_that_line_at_most(tmp_path):
    write(tmp_path, (1, NOW), (2, NOW + 1))
    content = place(tmp_path).read_bytes()
    start = content.index(b"\n") + 1
    for size in range(start, len(content) + 1):
        place(tmp_path).write_bytes(content[:size])
        assert journal.append(tmp_path, note(3), NOW + 2) is None
        whole = size >= len(content) - 1
        assert numbers(tmp_path, NOW + 9) == ([1, 2, 3] if whole else [1, 3])
        found = journal.read(tmp_path)
        assert [event.after for event in found.events] == ["", *(event.id for event in found.events[:-1])]
        assert [mark.where for mark in found.broken] == ([] if whole or size == start else [2])
        assert place(tmp_path).read_bytes().startswith(content[:size])


def test_a_torn_line_is_called_that(tmp_path):
    write(tmp_path, (1, NOW), (2, NOW))
    torn(tmp_path, place(tmp_path).stat().st_size - 20)
    (mark,) = journal.read(tmp_path).broken
    assert mark.where == 2
    assert "cut short" in mark.reason


def test_rubbish_in_the_file_is_named_by_line_and_hides_nothing(tmp_path):
    write(tmp_path, (1, NOW))
    with place(tmp_path).open("ab") as file:
        file.write(b"\n\xff\xfe\x00rubbish\r\n   \n<<<<<<< HEAD\n{}\n\xe2\x80\xa8\n")
    write(tmp_path, (2, NOW))
    assert numbers(tmp_path) == [1, 2]
    assert [mark.where for mark in journal.read(tmp_path).broken] == [3, 5, 6]


def test_windows_line_ends_and_doubled_lines_change_nothing(tmp_path):
    write(tmp_path, (1, NOW), (2, NOW))
    path = place(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") * 2)
    write(tmp_path, (3, NOW))
    assert numbers(tmp_path) == [1, 2, 3]
    assert journal.read(tmp_path).broken == ()
    assert journal.read(tmp_path).events[2].after == journal.read(tmp_path).events[1].id


def test_lines_are_found_from_the_end_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "BLOCK", 64)
    write(tmp_path, *[(number, NOW) for number in range(30)])
    for size in (None, -1):  # as it should be, and with the last newline torn off
        content = place(tmp_path).read_bytes()
        place(tmp_path).write_bytes(content[:size])
        with log.writing(tmp_path) as file:
            assert [event.said["file"] for event in file.newest('"file":')] == [f"{n}.md" for n in range(29, -1, -1)]
            assert [event.said["file"] for event in file.newest('"x')] == []
            assert [event.said["file"] for event in file.newest('"17.md"')] == ["17.md"]


# Disks that refuse


def refusing(number: int):
    def write(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "open", "fsync"])
def test_a_disk_that_refuses_costs_a_warning(tmp_path, monkeypatch, report, number, call):
    write(tmp_path, (1, NOW))
    monkeypatch.setattr(log.os, call, refusing(number))
    told = journal.attempt(tmp_path, report(add="failed"), "d", "check")
    shown = journal.hint(tmp_path, "backprop_engine", "add")
    lost = journal.append(tmp_path, note(2))
    monkeypatch.undo()
    assert (told.event, shown.level) == (None, 1)
    for warning in (told.warning, shown.warning, lost):
        assert os.strerror(number) in warning
        assert "Verdicts are not affected" in warning
    assert numbers(tmp_path) == [1]


def test_a_folder_that_cannot_be_made_costs_a_warning(tmp_path):
    (tmp_path / "progress_log").write_text("a file where the folder belongs")
    assert "not recorded" in journal.append(tmp_path, note(1))
    assert journal.read(tmp_path).events == ()
    assert "cannot be read" in journal.read(tmp_path).broken[0].reason


@pytest.mark.parametrize("kind", ["folder", "pipe", "full", "null"])
def test_a_log_that_is_no_file_costs_a_warning(tmp_path, kind):
    place(tmp_path).parent.mkdir()
    make = {"folder": Path.mkdir, "pipe": os.mkfifo}
    make.get(kind, lambda path: path.symlink_to(f"/dev/{kind}"))(place(tmp_path))
    assert "not recorded" in journal.append(tmp_path, note(1))


@pytest.mark.parametrize("room", [0, 1, 17])
def test_a_line_that_only_half_fits_is_taken_back(tmp_path, room):
    write(tmp_path, (1, NOW))
    content = place(tmp_path).read_bytes()
    child = os.fork()
    if child == 0:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) + room, len(content) + room))
        os._exit(0 if journal.append(tmp_path, note(2)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert place(tmp_path).read_bytes() == content
    write(tmp_path, (3, NOW))
    assert numbers(tmp_path) == [1, 3]


# Locks


def test_a_stopped_program_that_holds_the_lock_holds_nobody_up(tmp_path, monkeypatch):
    write(tmp_path, (1, NOW))
    monkeypatch.setattr(log, "LOCK_SECONDS", 0.05)
    with place(tmp_path).open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        write(tmp_path, (2, NOW))
    assert numbers(tmp_path) == [1, 2]


def test_systems_without_locks_still_have_a_log(tmp_path, monkeypatch):
    monkeypatch.setattr(log.fcntl, "flock", refusing(errno.ENOLCK))
    write(tmp_path, (1, NOW))
    monkeypatch.setattr(log, "fcntl", None)
    write(tmp_path, (2, NOW))
    assert numbers(tmp_path) == [1, 2]


def test_a_file_that_git_replaces_while_we_wait_is_the_one_we_write(tmp_path, monkeypatch):
    write(tmp_path, (1, NOW))
    path, real = place(tmp_path), log.lock

    def replace_it(fd: int) -> None:
        monkeypatch.setattr(log, "lock", real)
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
        real(fd)

    monkeypatch.setattr(log, "lock", replace_it)
    write(tmp_path, (2, NOW))
    assert numbers(tmp_path) == [1, 2]
