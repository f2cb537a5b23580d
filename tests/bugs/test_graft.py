"""Blame by grafting, on the sample course."""

from __future__ import annotations

from typing import Any

import pytest

from autograder.bugs.graft import blame


def message(answered: Any, add: str, mean: str) -> str:
    """What is said of the mean."""
    report = answered(add, mean, lambda judge, request: blame(judge, request, judge.here(request).report))
    return str(report.part("mean").message)


@pytest.mark.parametrize(
    ("add", "mean", "said"),
    [
        ("+= 1.5 * x", "self.total / self.count", "Your add alone"),
        ("+= 1.0 * x", "self.total - self.count", "The parts it builds on work"),
    ],
)
def test_the_part_that_brings_the_failure_is_blamed(answered: Any, add: str, mean: str, said: str) -> None:
    assert said in message(answered, add, mean)


def test_two_faults_at_once_are_nobody_s_alone(answered: Any) -> None:
    found = message(answered, "+= 1.5 * x", "self.total - self.count")
    assert "alone" not in found and "builds on" not in found
