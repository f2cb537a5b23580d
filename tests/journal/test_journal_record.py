"""What commands write: attempts only for new states, hints up to the last, ahas with what stands behind them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from autograder import journal


def test_the_same_state_is_logged_once_however_often_it_is_saved(learner):
    assert learner.tries(0, "a", add="failed:sign")
    assert [learner.tries(minute, "a", add="failed:sign") for minute in range(1, 9)] == [None] * 8
    assert len(learner.log().events) == 1


def test_new_statements_are_a_new_attempt_even_with_the_same_outcome_and_even_when_undone(learner):
    assert all(learner.tries(minute, digest, add="failed") for minute, digest in enumerate("abab"))


def test_another_verdict_on_the_same_statements_is_logged(learner):
    learner.tries(0, "a", add="failed")
    assert learner.tries(1, "a", add="timed_out")
    assert learner.tries(2, "a", add="failed:sign")
    assert learner.tries(3, "a", add="failed:order")
    assert not learner.tries(4, "a", add="failed:order")


def test_a_report_on_one_part_says_nothing_about_the_others(learner):
    learner.tries(0, "a", mul="failed")
    assert learner.tries(1, "a", add="passed", mul="failed")
    assert not learner.tries(2, "a", mul="failed")
    assert not learner.tries(3, "a", add="passed")
    assert learner.tries(4, "b", add="passed")
    assert learner.tries(5, "b", mul="passed")
    assert not learner.tries(6, "b", add="passed", mul="passed")


def test_exercises_have_their_own_last_state(learner):
    learner.tries(0, "a", exercise="mlp_lm", add="failed")
    assert learner.tries(1, "a", exercise="bigram_lm", add="failed")
    assert not learner.tries(2, "a", exercise="mlp_lm", add="failed")
    assert learner.tries(3, "a", exercise="mlp_lm_2", add="failed")


def test_a_clock_that_jumps_logs_no_state_twice(learner):
    minutes = [0, 60 * 24 * 4000, -60 * 24 * 400, 1]
    assert [bool(learner.tries(minute, "a", add="failed")) for minute in minutes] == [True, False, False, False]


def test_a_submission_that_could_not_be_read_is_no_attempt(tmp_path, report):
    unreadable = {**report(), "error": "it is not a notebook"}
    assert journal.attempt(tmp_path, unreadable, "a", "check") == journal.Recorded()
    assert not journal.read(tmp_path).events


def test_an_attempt_has_what_progress_and_depth_need_and_no_path(learner, tmp_path):
    learner.tries(0, "a", add="passed", mul="failed:gradient-overwritten", pow="not_started")
    line = (tmp_path / "progress_log" / "attempts.jsonl").read_text()
    said = json.loads(line)
    assert all(said.pop(key) is not None for key in ("v", "id", "after", "at"))
    assert said == {
        "digest": "a",
        "kind": "attempt",
        "exercise": "backprop_engine",
        "source": "check",
        "seconds": 0.1,
        "points": 2,
        "out_of": 6,
        "parts": {"add": "passed", "mul": "failed", "pow": "not_started"},
        "bugs": {"mul": "gradient-overwritten"},
    }
    (event,) = learner.log().events
    assert (event.digest, event.kind, event.exercise) == ("a", "attempt", "backprop_engine")
    assert (event.parts["mul"], event.bugs["mul"]) == ("failed", "gradient-overwritten")
    assert str(tmp_path) not in line


def test_hints_go_up_to_the_last_and_stay_there(tmp_path):
    levels = [journal.hint(tmp_path, "gpt", "block") for _ in range(5)]
    assert [level for level, warning in levels] == [1, 2, 3, 3, 3]
    assert journal.hint(tmp_path, "gpt", "tying").level == 1
    assert journal.hint(tmp_path, "gpt_2", "block").level == 1
    assert [event.said["level"] for event in journal.read(tmp_path).events] == [1, 2, 3, 1, 1]


def test_a_part_with_fewer_hints_stops_there_and_a_level_can_be_asked_for(tmp_path):
    assert [journal.hint(tmp_path, "gpt", "block", 2).level for _ in range(3)] == [1, 2, 2]
    assert [journal.hint(tmp_path, "gpt", "loss", 9).level for _ in range(4)] == [1, 2, 3, 3]
    assert [journal.hint(tmp_path, "gpt", "tying", 3, level).level for level in (2, 1, 9, -1)] == [2, 1, 3, 1]
    assert journal.hint(tmp_path, "gpt", "tying").level == 3


def test_sessions_are_logged(tmp_path):
    assert journal.session(tmp_path, 29.96) is None
    assert journal.session(tmp_path, 30, "gpt") is None
    told = [(event.said["minutes"], event.exercise) for event in journal.read(tmp_path).events]
    assert told == [(30.0, None), (30, "gpt")]


# An aha and what stands behind it


def test_an_aha_knows_the_failure_the_fix_and_the_bug_between_them(learner, noon):
    learner.tries(0, "a", add="passed", mul="failed:gradient-overwritten")
    failing = learner.tries(9, "b", add="passed", mul="crashed")
    passing = learner.tries(21, "c", add="passed", mul="passed")
    path = journal.aha(learner.root, "Every path adds.", now=noon + timedelta(minutes=23))
    (entry,) = journal.read_all(learner.root).entries
    assert (entry.name, entry.exercise, entry.part) == (path.name, "backprop_engine", "mul")
    assert (entry.minutes, entry.bug, entry.attempts) == (21, "gradient-overwritten", 2)
    assert (entry.failing, entry.passing) == (failing, passing)
    assert (entry.date.isoformat(), entry.text) == ("2026-03-04", "Every path adds.")
    last = learner.log().events[-1]
    assert (last.kind, last.exercise, last.said["part"]) == ("aha", "backprop_engine", "mul")
    assert last.said["file"] == path.name


def test_an_aha_belongs_to_the_part_that_turned_last(learner, noon):
    learner.tries(0, "a", add="failed", mul="failed")
    learner.tries(1, "b", add="passed", mul="failed")
    learner.tries(2, "c", exercise="bigram_lm", nll="failed")
    learner.tries(3, "d", exercise="bigram_lm", nll="passed")
    learner.tries(4, "e", add="passed", mul="failed", pow="passed")
    for named, wanted in ((None, ("bigram_lm", "nll")), ("backprop_engine", ("backprop_engine", "add"))):
        journal.aha(learner.root, "Text.", named, now=noon + timedelta(minutes=5))
        found = {(entry.exercise, entry.part) for entry in journal.read_all(learner.root).entries}
        assert wanted in found


@pytest.mark.parametrize(
    ("exercise", "part"), [(None, None), ("gpt", None), ("gpt", "block"), (None, "block"), ("../../etc/passwd", "\x00")]
)
def test_an_aha_with_nothing_behind_it_is_kept_all_the_same(tmp_path, exercise, part):
    path = journal.aha(tmp_path, "A thought under the shower.", exercise, part)
    (entry,) = journal.read_all(tmp_path).entries
    assert (entry.exercise, entry.part, entry.minutes, entry.bug) == (exercise, part, 0, None)
    assert path.parent == tmp_path / "progress_log"


def test_an_aha_is_kept_where_only_its_line_in_the_log_fails(tmp_path):
    (tmp_path / "progress_log" / "attempts.jsonl").mkdir(parents=True)
    assert journal.aha(tmp_path, "Still here.", "gpt", "block").read_text().endswith("Still here.\n")
