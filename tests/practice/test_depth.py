"""How deep it sits: simulated learners in the right order, thin evidence said, the same answer on every machine."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.practice.depth import WEIGHTS, Topic, depth_of

PARTS = ("add", "mean", "running", "halvings")
WEEKS = (7, 14, 28, 56, 84)


def perfect(learner: Any, chance: random.Random) -> None:
    """Every part at the first check or the second; every review and drill at once."""
    for number, part in enumerate(PARTS):
        if chance.random() < 0.3:
            learner.tries(number, part, "failed")
        learner.tries(number, part, "passed")
    for day in WEEKS:
        learner.practises(day + chance.randrange(3), chance.choice(PARTS), "solved")
        learner.practises(day + 3, f"bug:bug-{chance.randrange(9)}", "solved", minutes=chance.uniform(3, 9))


def forgetful(learner: Any, chance: random.Random) -> None:
    """As good at first; after weeks most of it is gone, and comes back for a while."""
    for number, part in enumerate(PARTS):
        if chance.random() < 0.5:
            learner.tries(number, part, "failed")
        learner.tries(number, part, "passed")
    for day in WEEKS:
        result = ("failed", "solved") if chance.random() < 0.4 else ("failed", "given_up")
        learner.practises(day + chance.randrange(3), chance.choice(PARTS), *result, minutes=20)
        found = ("failed", "solved") if chance.random() < 0.6 else ("failed", "given_up")
        learner.practises(day + 3, f"bug:bug-{chance.randrange(9)}", *found, minutes=chance.uniform(8, 20))


def hint_driven(learner: Any, chance: random.Random) -> None:
    """Nothing without hints, everything with them."""
    for number, part in enumerate(PARTS):
        for level in range(1, chance.randrange(2, 4) + 1):
            learner.hints(number, part, level)
        learner.tries(number, part, "failed")
        learner.tries(number, part, "passed")
    for day in WEEKS:
        learner.practises(day, chance.choice(PARTS), "hint", "failed", "solved", minutes=15)
        result = ("hint", "solved") if chance.random() < 0.6 else ("hint", "failed", "given_up")
        learner.practises(day + 3, f"bug:bug-{chance.randrange(9)}", *result, minutes=chance.uniform(8, 20))


def guessing(learner: Any, chance: random.Random) -> None:
    """Passes in the end, by changing things until the checks are quiet, and cannot do it again."""
    for number, part in enumerate(PARTS):
        for _ in range(chance.randrange(12, 40)):
            learner.tries(number, part, chance.choice(("failed", "crashed", "timed_out")), "sign")
        learner.tries(number, part, "passed")
    for day in WEEKS:
        result = ("failed",) * 9 + (("solved",) if chance.random() < 0.3 else ())
        learner.practises(day, chance.choice(PARTS), *result, minutes=25)
        found = ("failed",) * 6 + (("solved",) if chance.random() < 0.3 else ("given_up",))
        learner.practises(day + 3, f"bug:bug-{chance.randrange(9)}", *found, minutes=chance.uniform(16, 40))


SIMULATED: dict[str, Callable[..., None]] = {
    "perfect": perfect,
    "forgetful": forgetful,
    "hint-driven": hint_driven,
    "guessing": guessing,
}


def depth(learner: Any, day: float = 100) -> Topic:
    (topic,) = depth_of(learner.events(day), learner.at(day), {"tally": PARTS})
    return topic


@pytest.mark.parametrize("seed", range(8))
def test_simulated_learners_come_out_in_the_right_order(tmp_path: Path, learners: Any, seed: int) -> None:
    found = {}
    for name, live in SIMULATED.items():
        learner = learners(tmp_path / name)
        live(learner, random.Random(seed))
        found[name] = depth(learner)
    scores = [topic.score for topic in found.values()]
    assert None not in scores
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)
    assert found["perfect"].score >= 90
    assert found["perfect"].score - found["forgetful"].score >= 20
    assert found["guessing"].score <= 35
    assert found["perfect"].recall > found["forgetful"].recall
    assert found["hint-driven"].hints > 0 == found["perfect"].hints
    assert found["guessing"].attempts > 50


def test_thin_evidence_says_not_enough(learner: Any) -> None:
    learner.tries(0, "add", "passed")
    assert depth(learner).missing == "parts that pass"
    for part in PARTS:
        learner.tries(1, part, "passed")
    topic = depth(learner)
    assert (topic.score, topic.missing) == (None, "drills, or parts written again after a week")
    assert (topic.alone, topic.kept, topic.found) == (1.0, None, None)
    learner.practises(3, "mean", "solved")  # too soon to say that it is kept
    assert depth(learner).score is None
    learner.practises(9, "mean", "solved")
    assert depth(learner).score == 100


def test_nothing_known_is_no_topic(learner: Any) -> None:
    assert depth_of([], learner.at(0), {"tally": PARTS}) == []


def test_shares_and_score_follow_the_formula(learner: Any) -> None:
    learner.tries(0, "add", "passed")  # 1
    for _ in range(8):
        learner.tries(0.1, "mean", "failed")
    learner.tries(0.2, "mean", "passed")  # 8 / (8 + 8)
    learner.hints(0.3, "running", 1)
    learner.hints(0.3, "running", 2)
    learner.tries(0.4, "running", "passed")  # 0.4
    learner.practises(8, "add", "solved")  # 1
    learner.practises(15, "add", "failed", "given_up")  # 0
    learner.practises(16, "mean", "hint", "solved")  # 0.5, the last
    learner.practises(17, "bug:a", "solved")  # 1
    learner.practises(18, "bug:b", "solved", minutes=16)  # 0.5, late
    learner.practises(19, "bug:c", "failed")  # 0
    topic = depth(learner)
    assert topic.alone == round((1 + 0.5 + 0.4) / 4, 3)
    assert topic.kept == round((0.5 + (1 + 0) / 2) / 2, 3)
    assert topic.found == 0.5
    assert topic.score == round(100 * (WEIGHTS["alone"] * 1.9 / 4 + WEIGHTS["kept"] * 0.5 + WEIGHTS["found"] * 0.5))
    assert (topic.passed, topic.parts, topic.unaided, topic.attempts) == (3, 4, 2, 11)
    assert (topic.drills, topic.solved, topic.drill_minutes, topic.reviews) == (3, 2, 10.5, 3)
    assert [(kept.weeks, kept.times, kept.share) for kept in topic.retention] == [("1–2", 1, 1.0), ("2–5", 2, 0.25)]


def test_writing_a_part_again_in_the_notebook_counts_once_a_day(learner: Any) -> None:
    learner.tries(0, "add", "passed")
    for minute in range(5):
        learner.tries(10 + minute / 1000, "add", "not_started")
        learner.tries(10 + (minute + 0.5) / 1000, "add", "passed")
    topic = depth(learner)
    assert (topic.reviews, topic.kept) == (1, 1.0)


def test_a_part_that_fails_while_one_plays_with_it_is_not_forgotten(learner: Any) -> None:
    learner.tries(0, "add", "passed")
    learner.tries(9, "add", "failed")
    learner.tries(9.1, "add", "passed")
    assert depth(learner).reviews == 0


def test_a_clock_that_jumps_changes_no_depth(tmp_path: Path, learners: Any) -> None:
    right, wrong = learners(tmp_path / "right"), learners(tmp_path / "wrong")
    for learner in (right, wrong):
        for number, part in enumerate(PARTS):
            learner.tries(number, part, "passed")
        for day in WEEKS:
            learner.practises(day, "add", "solved")
    wrong.tries(5000, "mean", "passed")  # the battery died, and the year was another
    wrong.tries(-9000, "mean", "passed")
    for learner in (right, wrong):
        learner.practises(90, "bug:a", "solved")
    one, other = depth(right), depth(wrong)
    assert one.score == other.score == 100
    assert one.retention == other.retention
    assert one.recall == other.recall


def test_the_command_as_json_and_as_a_picture(passed_desk: Any, learners: Any, tmp_path: Path) -> None:
    learner = learners(passed_desk.root)
    learner.practises(-10, "add", "solved")
    learner.practises(-9, "bug:exclusive", "solved")
    for kind, head in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        path = tmp_path / f"depth.{kind}"
        said = passed_desk("depth", "--json", "--picture", path)
        assert said.code == 0, said.err
        assert path.read_bytes().startswith(head)
    (topic,) = said.document["topics"]
    assert (topic["exercise"], topic["score"], topic["missing"]) == ("tally", 100, "")
    assert said.document["weights"] == WEIGHTS
    shown = passed_desk("depth")
    assert "Tally" in shown.out and "100" in shown.out
    assert passed_desk("depth", "--picture", tmp_path / "depth.txt").code == 2
    assert "could not be written" in passed_desk("depth", "--picture", tmp_path / "no" / "depth.png").err


def test_an_empty_log_says_how_to_begin(desk: Any) -> None:
    assert "Nothing is logged yet" in desk("depth").out
    assert json.loads(desk("depth", "--json").out)["topics"] == []


def test_broken_lines_and_odd_clocks_are_named_on_stderr(passed_desk: Any, learners: Any) -> None:
    path = passed_desk.root / "progress_log" / "attempts.jsonl"
    with path.open("a") as file:
        file.write(
            'rubbish\n{"v":1,"id":"x","after":"","at":"2026-03-04T12:00:00Z","kind":"drill","exercise":"tally"}\n'
        )
    learners(passed_desk.root).tries(9000, "add", "passed")
    said = passed_desk("depth")
    assert said.code == 0
    assert "line 5: is not a JSON object; it is skipped, and stays in the file" in said.err
    assert "line 6: has no run" in said.err
    assert "line 7: says 2050-" in said.err and "a clock had jumped" in said.err
    assert "rubbish" in path.read_text()
