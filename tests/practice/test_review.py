"""`fathom review` and `fathom sprint`: what is due, from blank, timed; the learner's notebook stays as it is."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest


def test_nothing_is_due_and_nothing_can_be_begun(desk: Any) -> None:
    said = desk("review")
    assert said.code == 0
    assert "Parts come back here once they have passed" in desk.words(said.out)
    assert desk("review", "--start").code == 2
    assert desk("review", "--check").code == 2
    assert desk("review", "--json").document == {"due": []}
    assert desk("review", "--part", "add").code == 2


def test_parts_passed_a_month_ago_are_due(passed_desk: Any) -> None:
    listed = passed_desk("review", "--json").document["due"]
    assert {(card["exercise"], card["name"]) for card in listed} == {
        ("tally", name) for name in ("add", "mean", "running", "halvings")
    }
    said = passed_desk("review")
    assert "write add again" in said.out


def test_a_review_from_blank_to_a_pass(passed_desk: Any) -> None:
    desk = passed_desk
    own = next((desk.root / "phase1_foundations").glob("*.ipynb"))
    before = own.read_bytes()
    begun = desk("review", "tally", "--part", "mean", "--script", "--json")
    assert begun.code == 0, begun.err
    path = desk.sheet("review")
    text = path.read_text()
    assert "raise NotImplementedError" in text
    assert "self.total / self.count" not in text
    blank = desk("review", "--check")
    assert blank.code == 1
    assert "still to be written" in blank.out
    assert desk.log[-1]["result"] == "started"  # a blank is no attempt

    desk.swap(path, "raise NotImplementedError", "return self.total / self.count")
    assert desk("review", "--check").code == 1
    assert "Sum over count." in desk("review", "--hint").out
    desk.swap(path, "return self.total / self.count", "return self.total / max(self.count, 1)")
    said = desk("review", "--check", "--json")
    assert said.code == 0, said.err
    assert (said.document["state"], said.document["failed"], said.document["hints"]) == ("solved", 1, 1)
    assert own.read_bytes() == before
    left = {card["name"] for card in desk("review", "--json").document["due"]}
    assert "mean" not in left and len(left) == 3


def test_the_other_parts_of_the_cell_stay_written(passed_desk: Any) -> None:
    passed_desk("review", "tally", "--part", "add", "--script")
    text = passed_desk.sheet("review").read_text()
    assert "class Tally" in text and "self.total = 0.0" in text
    assert "self.total += x" not in text


def test_starting_takes_the_most_forgotten_and_an_open_one_goes_on(passed_desk: Any) -> None:
    desk = passed_desk
    assert desk("review", "--start").code == 0
    first = desk.sheet("review")
    assert desk("review", "--start").code == 0
    assert desk.sheet("review") == first
    assert first.name in desk("review").out
    said = desk("review", "--give-up")
    assert "One way to write it" in said.out
    assert desk.log[-1]["result"] == "given_up"
    assert desk("review", "--start").code == 0
    assert desk.sheet("review") != first
    assert first.exists()  # what was written in it stays


def test_a_file_is_never_written_over(passed_desk: Any) -> None:
    desk = passed_desk
    desk("review", "--start", "--script")
    mine = desk.sheet("review")
    mine.write_text(mine.read_text() + "\n# my thoughts\n")
    for _ in range(3):
        desk("review", "--give-up"), desk("review", "--start", "--script")
    assert mine.read_text().endswith("# my thoughts\n")


# Sprints


def test_a_sprint_picks_what_is_due_and_is_logged(passed_desk: Any) -> None:
    desk = passed_desk
    said = desk("sprint", "--minutes", "0.05")
    assert said.code == 0, said.err
    assert "Due again: Tally" in said.out
    kinds = [event["kind"] for event in desk.log[-2:]]
    assert kinds == ["review", "session"]
    assert desk.log[-1]["exercise"] == "tally"
    assert "Go on with the review" in desk("sprint", "--minutes", "0.05").out


def test_a_sprint_goes_on_with_the_plan_where_nothing_is_due(desk: Any) -> None:
    said = desk("sprint", "--minutes", "0.05")
    assert "Open: Tally, Adding" in said.out
    assert desk.log[-1]["kind"] == "session"


def test_an_interrupted_sprint_counts_the_time_it_had(desk: Any) -> None:
    running = desk.fathom.start("sprint", "--minutes", "30")
    assert running.stdout is not None
    while "Ctrl-C" not in (line := running.stdout.readline()):
        assert line
    time.sleep(3.6)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert "Less than a minute" in out
    assert desk.log[-1]["kind"] == "session"
    assert 0 < desk.log[-1]["minutes"] < 1


@pytest.mark.parametrize("minutes", ["0", "1000", "soon"])
def test_impossible_lengths_are_refused(desk: Any, minutes: str) -> None:
    assert desk("sprint", "--minutes", minutes).code == 2
