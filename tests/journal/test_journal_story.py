"""From failing to passing: which attempts, which bug, how long."""

from __future__ import annotations

import pytest

from autograder.journal.story import latest_turn, story


def mul(learner, *attempts: tuple[float, str]):
    for number, (minute, said) in enumerate(attempts):
        learner.tries(minute, f"d{number}", mul=said)
    return story(learner.log().events, "backprop_engine", "mul")


def ids(learner) -> list[str]:
    return [event.id for event in learner.log().events]


def test_failures_then_a_pass(learner):
    got = mul(learner, (0, "failed:one"), (4, "failed:two"), (10, "passed"))
    first, second, third = ids(learner)
    assert (got.failed.id, got.failed_last.id, got.passed.id) == (first, second, third)
    assert (got.bug, got.attempts, got.minutes) == ("two", 2, 10)


def test_a_crash_on_the_way_does_not_hide_the_bug(learner):
    assert mul(learner, (0, "failed:one"), (2, "crashed"), (3, "passed")).bug == "one"


def test_without_a_name_there_is_no_bug(learner):
    assert mul(learner, (0, "failed"), (3, "passed")).bug is None


def test_a_night_between_failure_and_fix_is_no_minutes_but_long_thought_is(learner):
    assert mul(learner, (0, "failed"), (50, "failed"), (50 + 9 * 60, "failed"), (600, "passed")).minutes == 60


def test_other_exercises_in_between_are_not_this_ones_minutes(learner):
    learner.tries(0, "a", mul="failed")
    for minute in range(10, 200, 10):
        learner.tries(minute, str(minute), exercise="bigram_lm", nll="failed")
    learner.tries(200, "b", mul="failed")
    learner.tries(206, "c", mul="passed")
    assert story(learner.log().events, "backprop_engine", "mul").minutes == 6


def test_a_pass_at_first_sight_has_no_failure_behind_it(learner):
    got = mul(learner, (0, "not_started"), (5, "passed"), (9, "passed"))
    assert (got.failed, got.attempts, got.minutes, got.passed.digest) == (None, 0, 0, "d1")


def test_failures_without_a_pass_are_a_story_so_far(learner):
    got = mul(learner, (0, "failed:one"), (7, "timed_out"))
    assert (got.passed, got.attempts, got.minutes, got.bug) == (None, 2, 7, "one")


def test_the_last_turn_counts_and_later_failures_do_not_hide_it(learner):
    got = mul(learner, (0, "failed:a"), (1, "passed"), (2, "failed:b"), (5, "passed"), (6, "passed"), (7, "failed:c"))
    assert (got.bug, got.minutes, got.passed.digest) == ("b", 3, "d3")


def test_a_blank_in_between_does_not_end_the_story(learner):
    assert mul(learner, (0, "failed:a"), (1, "not_started"), (5, "passed")).minutes == 5


def test_attempts_that_did_not_grade_the_part_say_nothing(learner):
    learner.tries(0, "a", mul="failed:a")
    learner.tries(1, "b", add="passed")
    learner.tries(2, "c", mul="passed")
    assert story(learner.log().events, "backprop_engine", "mul").attempts == 1


@pytest.mark.parametrize("jump", [-5000, 5000])
def test_a_clock_that_jumps_makes_no_minutes(learner, jump):
    assert mul(learner, (0, "failed"), (2, "failed"), (jump, "failed"), (3, "failed"), (5, "passed")).minutes in (4, 5)


def test_the_same_statements_judged_twice_are_one_attempt(learner):
    learner.tries(0, "a", mul="failed")
    learner.tries(1, "a", mul="failed:named")
    learner.tries(2, "b", mul="passed")
    assert story(learner.log().events, "backprop_engine", "mul").attempts == 1


def test_the_latest_turn(learner):
    assert latest_turn(()) == (None, None)
    learner.tries(0, "a", add="passed", mul="failed")
    assert latest_turn(learner.log().events) == ("backprop_engine", None)
    learner.tries(1, "b", add="failed", mul="failed")
    learner.tries(2, "c", add="failed", mul="passed")
    learner.tries(3, "d", exercise="bigram_lm", nll="passed")
    assert latest_turn(learner.log().events) == ("backprop_engine", "mul")
    assert latest_turn(learner.log().events, "bigram_lm") == ("bigram_lm", None)
    assert latest_turn(learner.log().events, "gpt") == (None, None)
