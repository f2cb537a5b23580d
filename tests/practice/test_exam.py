"""`fathom exam`: rounds under one clock, no hints, points from the log alone; nothing that somebody wrote is lost."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from autograder.bugs.catalogue import catalogue
from autograder.curriculum import load
from autograder.practice.exam import LATE, MINUTES, UNSAID, WORTH, Exam, Round, exams
from autograder.practice.failing import failing
from autograder.practice.runs import Run
from autograder.practice.standing import practice


def mended(desk: Any) -> None:
    """Take every bug of the open round out again."""
    event = [event for event in desk.log if event["kind"] == "drill" and event["result"] == "started"][-1]
    listing = catalogue(load(desk.root).exercise("tally"))
    text = (desk.root / event["file"]).read_text(encoding="utf-8")
    for bug in map(listing.bug, event["planted"]):
        find, replace = bug.find, bug.replace
        if not replace:  # what was left out goes back where it stood
            find, replace = f"self.count += 1\n{bug.find}", "self.count += 1\n"
        assert replace in text
        text = text.replace(replace, find, 1)
    (desk.root / event["file"]).write_text(text, encoding="utf-8")


def earlier(desk: Any, minutes: float) -> None:
    """Let the log be that many minutes older."""
    from datetime import datetime, timedelta

    path = desk.root / "progress_log" / "attempts.jsonl"
    text = path.read_text()
    for stamp in {event["at"] for event in desk.log}:
        then = datetime.fromisoformat(stamp) - timedelta(minutes=minutes)
        text = text.replace(stamp, then.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    path.write_text(text)


def test_three_failing_models_one_after_the_other(desk: Any) -> None:
    own = next((desk.root / "phase1_foundations").glob("*.ipynb"))
    before = own.read_bytes()
    begun = desk("exam", "--script", "--seed", "5", "--json")
    assert begun.code == 0, begun.err
    told = begun.document
    (first,) = told["rounds"]
    assert (told["seed"], told["out_of"], told["next"]) == (5, 100, 2)
    assert (first["kind"], first["bugs"], first["limit"], first["state"]) == ("drill", 1, MINUTES, "started")
    assert "planted" not in first
    text = (desk.root / first["file"]).read_text()
    bug = catalogue(load(desk.root).exercise("tally")).bug(desk.log[-1]["planted"][0])
    for secret in (bug.id, bug.misconception, bug.question, bug.symptom, "SOLUTION", "--hint"):
        assert secret not in text
    assert text.count("grade_id") == 4  # the whole model, not only where it fails

    assert desk("drill", "--check").code == 2  # no drill, so nobody asks it for a hint
    assert desk("exam", "--hint").code == 2
    again = desk("exam")
    assert again.code == 0 and "--check" in again.out and len(desk.log) == 1

    failed = desk("exam", "--check")
    assert failed.code == 1
    assert "Not yet" in failed.out and bug.misconception not in failed.out
    mended(desk)
    solved = desk("exam", "--check", "--script", "--json")
    assert solved.code == 0, solved.err
    first, second = solved.document["rounds"]
    assert (first["state"], first["failed"], first["planted"]) == ("solved", 1, [bug.id])
    assert (second["round"], second["bugs"], second["state"]) == (2, 2, "started")
    assert 0 < second["limit"] <= MINUTES
    kept = desk("exam", "--explain", "one number was forgotten")
    assert kept.code == 0 and "round 1" in kept.out

    given = desk("exam", "--give-up", "--script")
    assert given.code == 0 and "It was this" in given.out
    mended(desk)
    ended = desk("exam", "--check", "--json")
    assert ended.code == 0, ended.err
    told = ended.document
    assert [one["state"] for one in told["rounds"]] == ["solved", "given_up", "solved"]
    assert [one["explanation"] for one in told["rounds"]] == ["one number was forgotten", "", ""]
    assert (told["next"], told["waits_for"]) == (None, "lora_finetune")
    assert told["score"] == round(10 * 8 / 9 + 30 * UNSAID, 1)
    over = desk("exam")
    assert over.code == 0 and "waits for the exercise lora_finetune" in desk.words(over.out)
    (topic,) = desk("depth", "--json").document["topics"]
    assert (topic["drills"], topic["solved"]) == (3, 2)
    files = {event["file"] for event in desk.log if event.get("result") == "started"}
    assert len(files) == 3 and all((desk.root / file).is_file() for file in files)
    assert own.read_bytes() == before


def test_when_the_time_is_over_no_further_model_begins(desk: Any) -> None:
    assert desk("exam", "--script", "--seed", "1").code == 0
    earlier(desk, MINUTES + 1)
    assert "the time is over" in desk.words(desk("exam").out)
    mended(desk)
    told = desk("exam", "--check", "--json").document
    (only,) = told["rounds"]
    assert (only["state"], only["late"], only["score"]) == ("solved", True, round(10 * LATE * UNSAID, 1))
    assert (told["next"], told["left"]) == (None, 0.0)


def test_the_same_seed_draws_the_same_and_every_exam_has_its_own_files(desk: Any) -> None:
    for _ in range(2):
        assert desk("exam", "--new", "--script", "--seed", "7").code == 0
    first, second = desk.log
    assert first["planted"] == second["planted"]
    assert first["exam"] != second["exam"] and first["file"] != second["file"]
    assert len(exams(practice(load(desk.root), 4e9))) == 2


def test_the_fine_tune_is_every_part_from_blank_in_one_file(desk: Any) -> None:
    solutions, checks = desk.root / "solutions", desk.root / "autograder" / "checks"
    shutil.copytree(solutions / "phase1_foundations" / "tally", solutions / "phase2_llm_projects" / "lora_finetune")
    source = solutions / "phase2_llm_projects" / "lora_finetune" / "exercise.py"
    source.write_text(source.read_text().replace("number: 1\n", "number: 2\n"))
    (checks / "phase2_llm_projects").mkdir()
    shutil.copy(
        checks / "phase1_foundations" / "test_tally.py", checks / "phase2_llm_projects" / "test_lora_finetune.py"
    )
    assert desk("exam", "--script", "--seed", "3").code == 0
    earlier(desk, MINUTES + 1)
    assert desk("exam", "--give-up").code == 0
    begun = desk("exam", "--script", "--json")
    assert begun.code == 0, begun.err
    last = begun.document["rounds"][-1]
    assert (last["round"], last["kind"], last["limit"]) == (4, "review", MINUTES)
    assert last["parts"] == ["add", "mean", "running", "halvings"]
    path = desk.root / last["file"]
    text = path.read_text()
    assert text.count("raise NotImplementedError") == 4

    logged = len(desk.log)
    assert desk("exam", "--check").code == 1
    assert len(desk.log) == logged  # blanks are no attempt
    head, line = "raise NotImplementedError", "self.total += x\n        self.count += 1\n        return self"
    text = text.replace(head, line, 1).replace(head, "return self.count / self.total", 1)
    path.write_text(text)
    half = desk("exam", "--check", "--json")
    assert half.code == 1, half.err
    results = {event["part"]: event["run"] for event in desk.log if event["kind"] == "review" and "part" in event}
    said = {event["run"]: event["result"] for event in desk.log if event["kind"] == "review"}
    assert [said[results[part]] for part in last["parts"]] == ["solved", "failed", "started", "started"]
    assert 0 < half.document["rounds"][-1]["score"] < WORTH[4] / 4
    assert desk("exam", "--give-up").code == 0
    topics = {topic["exercise"]: topic for topic in desk("depth", "--json").document["topics"]}
    assert topics["lora_finetune"]["reviews"] == 0  # nothing was ever built there, and the exam says so only itself
    assert desk("exam", "--json").document["next"] is None


def test_what_cannot_be_done_is_a_sentence(desk: Any) -> None:
    assert "no round of an exam is open" in desk("exam", "--check").err
    assert "no exam to explain" in desk("exam", "--explain", "x").err
    assert "FATHOM_LOG" in desk("exam", FATHOM_LOG="off").err
    desk("exam", "--script")
    path = desk.root / desk.log[-1]["file"]
    assert desk("exam", "--explain", "  ").code == 2
    path.write_text("")
    assert "is empty" in desk("exam", "--check").err
    path.unlink()
    assert "not in this copy" in desk("exam", "--check").err
    assert desk("exam", "--new", "--script").code == 0


def scored(number: int, result: str = "solved", **more: Any) -> float:
    told = {"minutes": 1.0, "limit": MINUTES, "explanation": "so", **more}
    return Round(number, (Run("a", "drill", "tally", 0.0, 60.0, result=result, round=number, **told),)).score


def test_points_fall_with_time_attempts_and_silence() -> None:
    assert [scored(number) for number in (1, 2, 3, 4)] == list(WORTH.values())
    assert scored(1, minutes=7.5) == 10 > scored(1, minutes=20.0) > scored(1, minutes=44.9) >= 5
    assert scored(1, minutes=46.0) == 10 * LATE
    assert scored(2, failed=8) == scored(2) / 2
    assert scored(3, explanation="") == 30 * UNSAID
    assert scored(3, "given_up") == scored(3, "failed") == scored(3, "started") == 0


def test_an_exam_knows_its_seed() -> None:
    assert Exam("12-abcd", ()).seed == 12
    assert Exam("abcd", ()).seed == 0


def test_a_lesson_gets_a_failing_module_by_the_names_of_its_bugs(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FATHOM_ROOT", str(desk.root))
    assert failing("tally").halvings(8) == 3
    broken = failing("tally", "starts-at-one", "total-overwritten")
    assert broken.halvings(8) == 4
    assert broken.Tally().add(1).add(2).total == 2
    with pytest.raises(LookupError):
        failing("tally", "no-such-bug")
