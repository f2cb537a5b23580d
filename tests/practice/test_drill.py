"""`fathom drill`: begun, checked, hinted, given up, explained; nothing of the learner's is touched."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from autograder import journal
from autograder.bugs.catalogue import catalogue
from autograder.curriculum import load
from autograder.practice.choosing import NothingToDrill, candidates, draw
from autograder.practice.schedule import Card


def card(name: str, recall: float, is_due: bool) -> Card:
    return Card("tally", "bug", name, 0.0, 0.0, 1.0, recall, 3, 1, is_due)


def tally(root: Any) -> Any:
    return load(root).exercise("tally")


# What is drawn


def test_what_is_due_comes_first_then_what_is_new_then_what_is_still_known(course: Any) -> None:
    exercise = tally(course)
    known = [card(bug.id, 0.97, False) for bug in catalogue(exercise).bugs]
    known = [one for one in known if one.name not in ("exclusive", "rounds-up", "not-chained")]
    known += [card("exclusive", 0.6, True), card("rounds-up", 0.8, True)]
    for seed in range(20):
        drawn = [bug.id for bug in draw(candidates(exercise, known), seed, 3)[1]]
        assert drawn == ["exclusive", "rounds-up", "not-chained"]


def test_chance_decides_between_equals_and_is_the_same_for_the_same_seed(course: Any) -> None:
    among = candidates(tally(course), [])
    drawn = {seed: draw(among, seed)[1][0].id for seed in range(60)}
    assert set(drawn.values()) == {bug.id for bug in catalogue(tally(course)).bugs}
    assert all(draw(among, seed)[1][0].id == name for seed, name in drawn.items())


def test_the_bugs_before_are_left_out(course: Any) -> None:
    exercise = tally(course)
    for before in catalogue(exercise).bugs:
        among = candidates(exercise, [card(before.id, 0.01, True)], avoid=[before.id])
        assert before.id not in {draw(among, seed)[1][0].id for seed in range(40)}


def test_two_bugs_of_the_same_lines_never_meet(course: Any) -> None:
    among = candidates(tally(course), [])
    for seed in range(60):
        drawn = {bug.id for bug in draw(among, seed, 3)[1]}
        assert len(drawn) == 3
        assert not {"count-for-total", "mean-of-nothing"} <= drawn


def test_nothing_to_draw_from(course: Any) -> None:
    with pytest.raises(NothingToDrill):
        draw(candidates(tally(course), [], parts=()), 0)


# From the start to the end


def test_a_drill_from_its_symptoms_to_its_explanation(passed_desk: Any) -> None:
    desk = passed_desk
    own = next((desk.root / "phase1_foundations").glob("*.ipynb"))
    before = own.read_bytes()
    begun = desk("drill", "tally", "--script", "--seed", "3", "--minutes", "7", "--json")
    assert begun.code == 0, begun.err
    told = begun.document
    assert (told["exercise"], told["bugs"], told["limit"], told["state"]) == ("tally", 1, 7.0, "started")
    assert "planted" not in told
    assert told["symptoms"]
    path = desk.sheet("drill")
    (planted,) = desk.log[-1]["planted"]
    bug = catalogue(tally(desk.root)).bug(planted)
    text = path.read_text(encoding="utf-8")
    assert bug.symptom in text
    for secret in (bug.id, bug.misconception, bug.question, "SOLUTION"):
        assert secret not in text
    assert bug.replace.strip() in text
    shown = subprocess.run([sys.executable, str(path)], env=desk.fathom.environment, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr  # its cells run, on the rest of the lesson

    again = desk("drill")  # the same command again grades it
    assert again.code == 1
    assert "Not yet" in again.out
    assert bug.id not in again.out and bug.misconception not in again.out

    asked = desk("drill", "--hint")
    assert bug.question in desk.words(asked.out)
    desk.swap(path, bug.replace, bug.find)
    solved = desk("drill", "--check", "--json")
    assert solved.code == 0, solved.err
    told = solved.document
    assert (told["state"], told["failed"], told["hints"], told["planted"]) == ("solved", 1, 1, [bug.id])
    assert desk("drill", "--check").code == 2

    kept = desk("drill", "--explain", "the half was rounded the wrong way")
    assert kept.code == 0, kept.err
    assert desk.log[-1]["text"] == "the half was rounded the wrong way"
    assert desk.log[-1]["run"] == told["drill"]
    assert own.read_bytes() == before
    assert [event["result"] for event in desk.log if event["kind"] == "drill"] == [
        "started",
        "failed",
        "hint",
        "solved",
    ]


def test_a_notebook_holds_the_cells_the_symptoms_and_a_picture(desk: Any) -> None:
    assert desk("drill", "tally", "--seed", "1", "--bugs", "2").code == 0
    document = json.loads(desk.sheet("drill").read_text(encoding="utf-8"))
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.from_dict(document))
    prose, setup, *cells = document["cells"]
    assert "".join(prose["source"]).startswith("# Drill: Tally\n\n2 bugs are planted")
    assert "image/png" in prose["attachments"]["symptoms.png"]
    assert "given(" in "".join(setup["source"])
    planted = desk.log[-1]["planted"]
    listing = catalogue(tally(desk.root))
    sources = "\n".join("".join(cell["source"]) for cell in cells)
    assert all(listing.bug(name).replace.strip() in sources for name in planted)
    assert "check(" not in sources


def test_giving_up_shows_the_reverse_and_brings_it_back(desk: Any) -> None:
    desk("drill", "tally", "--script", "--seed", "2")
    listing = catalogue(tally(desk.root))
    bug = listing.bug(desk.log[-1]["planted"][0])
    path = desk.root / "progress_log" / "attempts.jsonl"
    year = desk.log[-1]["at"][:4]
    path.write_text(path.read_text().replace(f'"at":"{year}', f'"at":"{int(year) + 9}'))  # begun by a clock of its own
    said = desk("drill", "--give-up")
    assert said.code == 0
    assert "a clock had jumped" in said.err
    assert desk.log[-1]["minutes"] < 12
    words = desk.words(said.out)
    assert bug.misconception in words and bug.question in words
    assert all(f"+{line.strip()}" in words for line in bug.find.strip().split("\n") if line not in bug.replace)
    assert desk.log[-1]["result"] == "given_up"


def test_never_the_same_bug_twice_in_a_row(desk: Any) -> None:
    for seed in (0, 0):
        assert desk("drill", "tally", "--script", "--new", "--seed", str(seed)).code == 0
    first, second = (event["planted"] for event in desk.log)
    assert first != second
    assert len(list((desk.root / "practice").glob("*.py"))) == 2  # the file of the first stays


def test_never_the_same_bug_twice_in_a_row_whatever_chance_says(course: Any, learners: Any, tmp_path: Any) -> None:
    from autograder.practice.drill import choices
    from autograder.practice.standing import Practice

    learner = learners(tmp_path)
    before: tuple[str, ...] = ()
    for day in range(30):
        log = journal.read(tmp_path, learner.at(day))
        _, bugs = draw(choices(Practice(load(course), log, learner.at(day)), "tally"), day % 3)
        drawn = tuple(bug.id for bug in bugs)
        assert not set(drawn) & set(before)
        before = drawn
        learner.practises(day, f"bug:{drawn[0]}", "given_up" if day % 2 else "solved")


def test_without_a_name_only_what_passed_is_drilled(desk: Any, learners: Any) -> None:
    said = desk("drill")
    assert said.code == 2
    assert "Name an exercise" in said.err
    learners(desk.root).tries(-3, "halvings", "passed")
    assert desk("drill", "--script").code == 0
    assert catalogue(tally(desk.root)).bug(desk.log[-1]["planted"][0]).part == "halvings"


def test_the_learner_may_rewrite_the_cell_and_add_helpers(desk: Any, learners: Any) -> None:
    learners(desk.root).tries(-3, "halvings", "passed")
    desk("drill", "--script")
    path = desk.sheet("drill")
    head, _, _ = path.read_text().partition("def halvings")
    path.write_text(
        head + "def halvings(n):\n    return bits(n) - 1\n\n# %%\ndef bits(n):\n    return n.bit_length()\n"
    )
    assert desk("drill", "--check").code == 0


def test_what_cannot_be_graded_is_a_sentence(desk: Any, tmp_path: Any) -> None:
    desk("drill", "tally", "--script", "--seed", "3")
    path = desk.sheet("drill")
    text = path.read_text()
    path.write_text(text[: text.rindex("# %%")])
    said = desk("drill", "--check")
    assert said.code == 2
    assert "no longer holds the cell" in said.err
    path.write_text("")
    assert "is empty" in desk("drill", "--check").err
    path.unlink()
    said = desk("drill", "--check")
    assert said.code == 2
    assert "not in this copy" in said.err
    assert "FATHOM_LOG" in desk("drill", "tally", FATHOM_LOG="off").err
    assert desk("drill", "tally", "--explain", "  ").code == 2
    assert desk("drill", "taly").code == 2


def test_a_catalogue_that_has_changed_is_said(desk: Any) -> None:
    desk("drill", "tally", "--script", "--seed", "3")
    toml = desk.root / "solutions" / "phase1_foundations" / "tally" / "bugs.toml"
    toml.write_text(toml.read_text().replace(f'id = "{desk.log[-1]["planted"][0]}"', 'id = "another"'))
    said = desk("drill", "--check")
    assert said.code == 2
    assert "has changed since" in said.err
