"""Notebooks on disk: whole or not at all, and never over somebody's work without a copy of it."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from autograder.notebook import Unreadable, backup, bring_up_to_date, files, give_back, load, publish, write_atomic


def write_answer(path: Path, name: str = "mul", source: str = "def mul(): return 6") -> str:
    document = json.loads(path.read_text(encoding="utf-8"))
    for cell in document["cells"]:
        if cell["id"] == name:
            cell["source"] = source
    path.write_text(json.dumps(document), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def backups(root: Path) -> list[Path]:
    return sorted((root / ".fathom" / "backups").rglob("*.ipynb"))


def test_publish_writes_once_and_then_brings_up_to_date(course: Any) -> None:
    exercise = course.exercise
    assert publish(exercise) == f"{exercise.notebook} is written."
    first = exercise.notebook.read_bytes()
    assert "is what the build makes" in publish(exercise)
    assert exercise.notebook.read_bytes() == first and not backups(course.root)
    course.change("A number that adds", "A number which adds")
    assert "new text in numbers-1" in publish(course.exercise)
    (kept,) = backups(course.root)
    assert kept.read_bytes() == first
    assert kept.parent == course.root / ".fathom" / "backups" / "phase1_foundations"
    again = exercise.notebook.read_bytes()
    exercise.notebook.unlink()
    publish(course.exercise)
    assert exercise.notebook.read_bytes() == again, "an untouched notebook brought up to date is the build itself"


def test_update_keeps_answers_and_reset_gives_back_the_stub(course: Any) -> None:
    exercise = course.exercise
    publish(exercise)
    before = write_answer(exercise.notebook)
    assert "up to date" in bring_up_to_date(exercise)
    assert exercise.notebook.read_text(encoding="utf-8") == before
    course.change("Predict: what", "Predict first: what")
    bring_up_to_date(course.exercise)
    text = exercise.notebook.read_text(encoding="utf-8")
    assert "def mul(): return 6" in text and "Predict first" in text
    said = give_back(course.exercise, "mul")
    assert "cell mul is blank again" in said and str(backups(course.root)[-1]) in said
    assert "return 6" not in exercise.notebook.read_text(encoding="utf-8")
    assert any("return 6" in kept.read_text(encoding="utf-8") for kept in backups(course.root))
    assert "blank already" in give_back(course.exercise, "mul")
    with pytest.raises(LookupError):
        give_back(course.exercise, "none")


@pytest.mark.parametrize("content", [b"", b"{", b"<<<<<<< a\n>>>>>>> b\n", b"[]", b"\xff\xfe"])
def test_what_cannot_be_read_is_never_overwritten(course: Any, content: bytes) -> None:
    exercise = course.exercise
    exercise.notebook.parent.mkdir(parents=True)
    exercise.notebook.write_bytes(content)
    for operation in (publish, bring_up_to_date, give_back):
        with pytest.raises(Unreadable):
            operation(exercise)
    assert exercise.notebook.read_bytes() == content


def test_reset_of_a_missing_notebook_says_so(course: Any) -> None:
    with pytest.raises(Unreadable, match="does not exist"):
        give_back(course.exercise, "mul")


def test_a_save_in_between_is_not_lost(course: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    exercise = course.exercise
    publish(exercise)
    course.change("Predict: what", "Predict first: what")
    original = files.backup

    def slow_backup(path: Path) -> Path:
        kept = original(path)
        monkeypatch.setattr(files, "backup", original)
        write_answer(exercise.notebook)
        return kept

    monkeypatch.setattr(files, "backup", slow_backup)
    bring_up_to_date(course.exercise)
    text = exercise.notebook.read_text(encoding="utf-8")
    assert "def mul(): return 6" in text and "Predict first" in text


def test_a_notebook_that_keeps_being_saved_is_left_alone(course: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    exercise = course.exercise
    publish(exercise)
    course.change("Predict: what", "Predict first: what")
    original = files.backup

    def restless(path: Path) -> Path:
        kept = original(path)
        write_answer(exercise.notebook, source=f"def mul(): return {len(backups(course.root))}")
        return kept

    monkeypatch.setattr(files, "backup", restless)
    with pytest.raises(Unreadable, match="keeps saving"):
        bring_up_to_date(course.exercise)
    assert "def mul(): return 3" in exercise.notebook.read_text(encoding="utf-8")


def test_backups_never_overwrite_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(files.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return files.datetime(2026, 1, 2, 3, 4, 5)

    path = tmp_path / "a.ipynb"
    kept = []
    monkeypatch.setattr(files, "datetime", Stopped)
    for content in ("one", "two", "three"):
        path.write_text(content)
        kept.append(backup(path))
    assert [copy.read_text() for copy in kept] == ["one", "two", "three"]
    assert all(copy.parent == tmp_path / ".fathom" / "backups" for copy in kept)


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.ipynb"
    write_atomic(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "new \ud800")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["a.ipynb"]


def test_writing_keeps_the_mode_and_follows_links(tmp_path: Path) -> None:
    target = tmp_path / "real.ipynb"
    target.write_text("old")
    target.chmod(0o640)
    link = tmp_path / "link.ipynb"
    link.symlink_to(target)
    write_atomic(link, "new\n")
    assert link.is_symlink()
    assert target.read_bytes() == b"new\n"
    assert target.stat().st_mode & 0o777 == 0o640


def test_readers_see_the_old_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    texts = [json.dumps({"nbformat": 4, "cells": [{"cell_type": "raw", "source": letter * 50_000}]}) for letter in "ab"]
    write_atomic(path, texts[0])
    done = threading.Event()

    def write() -> None:
        for number in range(60):
            write_atomic(path, texts[number % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert len(load(path)["cells"][0]["source"]) == 50_000
    writer.join()
