"""A long log is kept parsed: the same events whatever is in the cache, and none from lines that have changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from autograder import journal
from autograder.journal import reading
from autograder.journal.log import place
from autograder.practice.keeping import CACHE as PRACTICE
from autograder.practice.keeping import folded
from autograder.practice.outcomes import Fold

NOW = 1_772_625_600.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WORTH", 10)


def write(root: Path, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        event = {
            "kind": "attempt",
            "exercise": "tally",
            "digest": f"d{number}",
            "source": "check",
            "seconds": 0,
            "points": 1,
            "out_of": 2,
            "parts": {"add": ("failed", "passed", "not_started")[number % 3], "mean": "failed"},
            "bugs": {"mean": "sign"},
        }
        assert journal.append(root, event, NOW + 20_000 * number) is None


def plainly(root: Path) -> journal.Log:
    """What a reading without a cache finds."""
    held = root / reading.CACHE
    away = held.with_suffix(".away")
    if held.exists():
        held.rename(away)
    found = journal.read(root, NOW + 1e9)
    held.unlink(missing_ok=True)
    if away.exists():
        away.rename(held)
    return found


def same(root: Path) -> journal.Log:
    """Read with the cache, and make sure that it changes nothing."""
    found = journal.read(root, NOW + 1e9)
    bare = plainly(root)
    assert (found.events, found.broken, found.doubted) == (bare.events, bare.broken, bare.doubted)
    return found


def test_lines_added_since_are_read_anew_and_the_cache_follows_now_and_then(tmp_path: Path) -> None:
    write(tmp_path, 12)
    assert same(tmp_path).base[0] == 12
    held = (tmp_path / reading.CACHE).read_bytes()
    write(tmp_path, 5, 12)
    found = same(tmp_path)
    assert (len(found.events), found.base[0]) == (17, 12)
    assert (tmp_path / reading.CACHE).read_bytes() == held
    write(tmp_path, 5, 17)
    assert same(tmp_path).base[0] == 22


def test_a_short_log_has_no_cache(tmp_path: Path) -> None:
    write(tmp_path, 9)
    assert journal.read(tmp_path).base == (0, "")
    assert not (tmp_path / ".fathom").exists()


def test_broken_lines_keep_their_numbers(tmp_path: Path) -> None:
    path = place(tmp_path)
    write(tmp_path, 6)
    with path.open("ab") as file:
        file.write(b"rubbish\n\n" + path.read_bytes().split(b"\n")[0] + b"\n<<<<<<< HEAD\n")
    write(tmp_path, 6, 6)
    with path.open("ab") as file:
        file.write(b"more rubbish\n")
    write(tmp_path, 3, 12)
    assert [mark.where for mark in same(tmp_path).broken] == [7, 10, 17]
    same(tmp_path)
    journal.append(tmp_path, {"kind": "aha", "file": "x.md"}, NOW + 9e9)
    (mark,) = journal.read(tmp_path, NOW + 1e9).doubted
    assert mark.where == len(path.read_bytes().splitlines())


@pytest.mark.parametrize("change", ["first", "middle", "cut", "swapped"])
def test_lines_that_changed_are_never_taken_from_the_cache(tmp_path: Path, change: str) -> None:
    write(tmp_path, 15)
    same(tmp_path)
    path = place(tmp_path)
    lines = path.read_bytes().split(b"\n")
    if change == "cut":
        lines = [*lines[:5], b""]
    elif change == "swapped":
        lines[3], lines[4] = lines[4], lines[3]
    else:
        number = 0 if change == "first" else 7
        lines[number] = lines[number].replace(b'"sign"', b'"sine"')
    path.write_bytes(b"\n".join(lines))
    found = same(tmp_path)
    assert len(found.events) == (5 if change == "cut" else 15)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": [1, 1], "size": "x"}', "null", "\x00"])
def test_a_spoilt_cache_costs_nothing_but_time(tmp_path: Path, content: str) -> None:
    write(tmp_path, 15)
    same(tmp_path)
    (tmp_path / reading.CACHE).write_text(content)
    assert len(same(tmp_path).events) == 15


def test_a_cache_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / ".fathom").write_text("in the way")
    write(tmp_path, 15)
    assert len(journal.read(tmp_path, NOW + 1e9).events) == 15
    assert folded(tmp_path, journal.read(tmp_path, NOW + 1e9)).outcomes


def test_a_torn_last_line_is_not_kept(tmp_path: Path) -> None:
    write(tmp_path, 15)
    os.truncate(place(tmp_path), place(tmp_path).stat().st_size - 20)
    assert len(same(tmp_path).broken) == 1
    assert not (tmp_path / reading.CACHE).exists()
    write(tmp_path, 1, 15)
    assert len(same(tmp_path).events) == 15


def whole(root: Path) -> dict[str, Any]:
    return Fold().add(journal.read(root, NOW + 1e9).events).as_data()


def test_what_a_log_came_to_is_the_same_from_the_cache_and_from_the_start(tmp_path: Path) -> None:
    written = 0
    for count in (14, 3, 14, 40, 3, 14):
        write(tmp_path, count, written)
        written += count
        journal.hint(tmp_path, "tally", "mean", now=NOW + 20_000 * (written + 900 * (count == 40)))  # once ahead
        for _ in range(2):
            log = journal.read(tmp_path, NOW + 1e9)
            assert log.base[0]
            found = folded(tmp_path, log)
            assert json.dumps(found.as_data()) == json.dumps(whole(tmp_path))
    assert (tmp_path / PRACTICE).exists()
    (tmp_path / PRACTICE).write_text('{"key": 1}')
    assert folded(tmp_path, journal.read(tmp_path, NOW + 1e9)).as_data() == whole(tmp_path)
