"""Names of misconceptions, on the sample course: what is named, and what must not be."""

from __future__ import annotations

from typing import Any

import pytest

from autograder.bugs.diagnosis import Diagnostician


@pytest.mark.parametrize(
    ("add", "mean", "names"),
    [
        ("+= x", "self.total / self.count", {"add": (), "mean": ()}),
        ("= x", "self.total / self.count", {"add": ("total-overwritten",), "mean": ("total-overwritten",)}),
        ("+= x", "(self.count + 1) / self.total", {"add": (), "mean": ("count-for-total",)}),
        ("+= x", "self.last / self.count", {"add": (), "mean": ()}),
    ],
    ids=[
        "right",
        "a bug shows in what needs it",
        "a slip has its bug's name",
        "a bug of a part that passed names nothing",
    ],
)
def test_who_is_named(answered: Any, add: str, mean: str, names: dict[str, tuple[str, ...]]) -> None:
    report = answered(add, mean, lambda judge, request: Diagnostician(judge).one(request).report)
    assert {part.part: part.bugs for part in report.parts if part.part in names} == names
