"""What is due again: a pure function of the log, with ratings from real outcomes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from autograder.practice.outcomes import AGAIN, EASY, GOOD, HARD, Fold, outcomes_of
from autograder.practice.runs import runs_of
from autograder.practice.schedule import cards_of

DAY = 86_400.0


def outcomes(learner: Any, day: float = 1000) -> list[Any]:
    events = learner.events(day)
    return outcomes_of(Fold().add(events), runs_of(events))


def cards(learner: Any, day: float) -> dict[str, Any]:
    return {card.name: card for card in cards_of(outcomes(learner, day), learner.at(day))}


def ratings(learner: Any) -> list[int]:
    return [outcome.rating for outcome in outcomes(learner)]


def test_first_passes_are_rated_by_how_they_came_about(learner: Any) -> None:
    learner.tries(0, "add", "passed")
    learner.tries(1, "mean", "failed")
    learner.tries(1, "mean", "passed")
    learner.hints(2, "running", 1)
    learner.tries(2, "running", "passed")
    for _ in range(9):
        learner.tries(3, "halvings", "failed")
    learner.tries(3, "halvings", "passed")
    assert ratings(learner) == [EASY, GOOD, HARD, HARD]


@pytest.mark.parametrize(
    ("results", "rating"),
    [
        (("solved",), EASY),
        (("failed", "solved"), GOOD),
        (("failed", "failed", "failed", "solved"), HARD),
        (("hint", "solved"), HARD),
        (("given_up",), AGAIN),
        (("failed",), AGAIN),
        (("failed", "hint"), AGAIN),
        ((), None),
        (("hint",), None),
    ],
)
@pytest.mark.parametrize("about", ["add", "bug:sign"])
def test_reviews_and_drills_are_rated_by_how_they_went(
    learner: Any, about: str, results: tuple[str, ...], rating: int | None
) -> None:
    learner.practises(1, about, *results)
    assert ratings(learner) == ([] if rating is None else [rating])


def test_a_drill_over_its_time_is_hard(learner: Any) -> None:
    learner.practises(1, "bug:sign", "solved", minutes=15.5, limit=15)
    assert ratings(learner) == [HARD]


def test_a_hint_asked_for_elsewhere_during_a_review_counts(learner: Any) -> None:
    learner.practises(1, "add", minutes=30)
    learner.hints(1.001, "add", 2)
    events = learner.events()
    assert runs_of(events)[0].hints == 2


def test_the_misconception_before_the_first_pass_is_something_to_drill(learner: Any) -> None:
    learner.tries(0, "add", "failed", "first-guess")
    learner.tries(0, "add", "failed", "second-guess")
    learner.tries(0, "add", "passed")
    found = cards(learner, 3)
    assert set(found) == {"add", "second-guess"}
    assert found["second-guess"].is_due and found["second-guess"].kind == "bug"


def test_what_went_well_comes_back_later_than_what_did_not(learner: Any) -> None:
    for part, results in (("add", ("solved",)), ("mean", ("hint", "solved")), ("running", ("given_up",))):
        learner.practises(0, part, *results)
    found = cards(learner, 0.5)
    assert found["running"].due <= found["mean"].due < found["add"].due
    assert found["running"].stability < found["mean"].stability < found["add"].stability
    assert not any(card.is_due for card in found.values())
    assert all(card.is_due for card in cards(learner, 60).values())


def test_a_habit_makes_the_gaps_grow(learner: Any) -> None:
    day, gaps = 0.0, []
    learner.tries(0, "add", "passed")
    for _ in range(5):
        gap = (cards(learner, day + 0.1)["add"].due - learner.at(day)) / DAY
        gaps.append(gap)
        day += gap + 0.5
        learner.practises(day, "add", "failed", "solved")
    assert gaps == sorted(gaps)
    assert gaps[-1] > 3 * gaps[0]


def test_the_most_forgotten_comes_first(learner: Any) -> None:
    learner.practises(0, "add", "solved")
    learner.practises(0, "mean", "given_up")
    names = [card.name for card in cards_of(outcomes(learner), learner.at(100))]
    assert names == ["mean", "add"]


def test_the_schedule_is_the_same_wherever_the_log_is_read(learner: Any, tmp_path: Any) -> None:
    for number, part in enumerate(("add", "mean", "running")):
        learner.tries(number, part, "passed")
        learner.practises(number + 5, part, "failed", "solved")
    code = (
        "import sys; from pathlib import Path; from autograder import journal;"
        "from autograder.practice.outcomes import *; from autograder.practice.runs import runs_of;"
        "from autograder.practice.schedule import cards_of;"
        f"e = journal.read(Path({str(learner.root)!r}), {learner.at(50)}).events;"
        f"print([(c.name, c.due, c.recall) for c in cards_of(outcomes_of(Fold().add(e), runs_of(e)), {learner.at(50)})])"
    )
    said = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)}
    assert len(said) == 1 and said.pop().count("add") == 1


def test_a_clock_that_jumps_moves_no_due_date_by_years(learner: Any) -> None:
    learner.practises(0, "add", "solved")
    learner.practises(4000, "add", "solved")  # ahead by years
    learner.practises(20, "add", "solved")
    found = cards(learner, 21)["add"]
    assert learner.at(21) < found.due < learner.at(21 + 366)
    assert found.last <= learner.at(21)


def test_a_run_that_ended_stays_ended_and_lines_in_any_order_of_keys_are_read(learner: Any) -> None:
    learner.practises(1, "bug:sign", "solved", "failed", "given_up")
    (run,) = runs_of(learner.events())
    assert (run.result, run.failed, run.open) == ("solved", 0, False)


def test_odd_fields_of_a_run_are_left_out(learner: Any) -> None:
    from autograder import journal

    event = {"kind": "drill", "exercise": "tally", "run": "x", "result": "started"}
    journal.append(learner.root, {**event, "planted": [1, "a"], "limit": -5, "file": 7}, learner.at(0))
    journal.append(learner.root, {**event, "result": "hint", "level": "many", "minutes": -1}, learner.at(1))
    (run,) = runs_of(learner.events())
    assert (run.planted, run.limit, run.file, run.hints, run.minutes) == (("a",), None, "", 1, 0.0)
