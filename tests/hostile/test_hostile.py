"""No submission talks the grader into a point, harms a neighbour, or outlives its grading."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import hostile_files as files
import pytest
from attacks import attacks
from hostile_class import HONEST, Outcome, told

NAMES = [attack.name for attack in attacks(Path("/r"), Path("/n"), Path("/c"), 1)]
ESCAPES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_there_are_enough_of_them() -> None:
    assert len(set(NAMES)) == len(NAMES) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_an_attack_earns_nothing(outcome: Outcome, name: str) -> None:
    report = outcome.reports[name]
    assert report["error"] is None
    assert report["points"] <= outcome.attacks[name].earns, report
    assert len(report["parts"]) == 4


@pytest.mark.parametrize("name", files.REFUSED)
def test_a_hostile_file_earns_nothing(outcome: Outcome, name: str) -> None:
    report = outcome.reports[name]
    assert report["points"] == 0
    assert (report["error"] is not None) == files.REFUSED[name], report


def test_a_linked_folder_is_refused(outcome: Outcome) -> None:
    report = outcome.reports.get("link-to-a-neighbour")
    assert report is None or report["points"] == 0


def test_honest_people_get_what_they_get_alone(outcome: Outcome) -> None:
    together = {name: told(report) for name, report in outcome.reports.items() if name.startswith(HONEST)}
    assert together == {name: told(report) for name, report in outcome.alone.items()}
    assert [together[f"{HONEST}-{who}"]["points"] for who in ("reference", "variant")] == [7, 7]
    named = {part["part"]: part["bug"] for part in together[f"{HONEST}-mistaken"]["parts"]}
    assert named == {"add": None, "mean": "count-for-total", "running": None, "halvings": None}


def test_nothing_outside_was_reached(outcome: Outcome) -> None:
    assert outcome.touched == []


def test_nothing_is_left_running(outcome: Outcome) -> None:
    assert "left behind: 0" in outcome.told


def test_the_grader_survived(outcome: Outcome) -> None:
    assert outcome.status == 1
    assert len(outcome.reports) >= len(NAMES) + len(files.REFUSED) + 3
    assert json.loads((outcome.out / "run.json").read_text())["finished"] is True


def test_no_text_of_theirs_can_act(outcome: Outcome) -> None:
    pages = [*(outcome.out / "feedback").rglob("*.html"), outcome.out / "summary.html"]
    assert len(pages) > len(NAMES)
    for page in pages:
        text = page.read_text()
        assert "default-src 'none'" in text
        assert not re.search(r"<script|<img|onerror=[^&]*>|<b>", text.replace("&lt;", "")), page
        assert not ESCAPES.search(text), page
    for page in (outcome.out / "feedback").rglob("*.md"):
        text = page.read_text()
        assert not ESCAPES.search(text), page
        outside = re.sub(r"(?ms)^(`{3,})text$.*?^\1$", "", text)
        assert "pwned" not in re.findall("^#.*$", outside, re.M) and "<script" not in outside, page
    assert not ESCAPES.search(outcome.told)


def test_no_cell_of_the_table_is_a_formula(outcome: Outcome) -> None:
    with (outcome.out / "grades.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == len(outcome.reports) + 1
    for row in rows:
        assert not any(cell.startswith(("=", "+", "@", "|", "\t", "-")) for cell in row), row


def test_every_file_lies_where_it_should(outcome: Outcome) -> None:
    inside = {path.parent.parent for path in (outcome.out / "feedback").rglob("*.html")}
    assert inside == {outcome.out / "feedback"}


def test_answers_written_down_from_the_public_inputs_earn_nothing(outcome: Outcome, course: Path, fathom: Any) -> None:
    script = outcome.folder / "writes-answers-down" / "tally.py"
    public = fathom("check", "tally", "--submission", script, "--json").document["submissions"][0]
    assert public["points"] == 3, "the answers are those of the public inputs"
    assert outcome.reports["writes-answers-down"]["points"] == 0
