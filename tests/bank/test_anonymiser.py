"""The bar of the reference anonymiser, on the held-out notes: recall at least 0.99 at precision at least 0.95."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

pytest.importorskip("torch")

from autograder.curriculum import load
from autograder.judge.submission import reference
from autograder.kernel.carrying import made
from phase2_llm_projects import bank

RECALL, PRECISION = 0.99, 0.95
Spans = set[tuple[int, int, str]]


@pytest.fixture(scope="module")
def lesson() -> ModuleType:
    course = load(Path(__file__).parents[2])
    with patch("autograder.carry", lambda name: ModuleType(name)):
        return made("finetune_data", reference(course.exercise("finetune_data")))


def found_by(lesson: ModuleType, text: str) -> Spans:
    """What the given patterns and the lesson's functions find together."""
    return set(bank.personal(text, lesson.find_names, lesson.find_personal))


def table(lesson: ModuleType, rows: list[dict[str, Any]]) -> dict[str, tuple[int, int, int]]:
    """By kind: how many there are, how many were found, how many of these are right at both ends."""
    there, found, right = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        want: Spans = {tuple(span) for span in row["spans"]}  # type: ignore[misc]
        got = found_by(lesson, row["text"])
        for counter, spans in ((there, want), (found, got), (right, want & got)):
            counter.update(kind for *_, kind in spans)
    kinds = {kind: (there[kind], found[kind], right[kind]) for kind in bank.KINDS}
    return kinds | {"all": (there.total(), found.total(), right.total())}


def test_recall_and_precision_on_the_held_out_notes(lesson: ModuleType) -> None:
    rows = bank.held_out("notes")
    unlisted = [row for row in rows if not row["listed"]]
    for title, some in (("held-out notes", rows), ("of these, with first names that no list has", unlisted)):
        print(f"\n{title} ({len(some)})")
        for kind, (there, found, right) in table(lesson, some).items():
            if there:
                print(f"  {kind:8} {there:4}   precision {right / max(found, 1):.3f}   recall {right / there:.3f}")
    for kind, (there, found, right) in table(lesson, rows).items():
        assert right >= PRECISION * found, kind
        assert right >= (RECALL if kind == "all" else 0.98) * there, kind


def test_nothing_personal_is_left_that_the_finder_knows(lesson: ModuleType) -> None:
    for row in bank.held_out("notes"):
        safe = lesson.anonymise(row["text"], sorted(found_by(lesson, row["text"])), b"key")
        rest = re.sub(r"<[a-z]+-[0-9a-f]{8}>", "·", safe)
        assert not {rest[start:end] for start, end, _ in found_by(lesson, rest)} - {"·"}, row["text"]


def test_a_person_keeps_a_pseudonym_across_the_whole_world(lesson: ModuleType) -> None:
    tags: dict[str, set[str]] = {}
    for note in bank.load().notes:
        for span in note.spans:
            if span.kind == "name":
                value = note.text[span.start : span.end]
                for word, tag in zip(value.split(), lesson.pseudonym("name", value, b"key").split(), strict=True):
                    tags.setdefault(lesson.canonical(word), set()).add(tag)
    assert all(len(each) == 1 for each in tags.values())
    assert len({tag for each in tags.values() for tag in each}) == len(tags)
