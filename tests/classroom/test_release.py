"""The repository for a class: no solution in it, and every verdict the same as where the solutions are."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autograder import curriculum
from autograder.bugs.catalogue import catalogue, mutated
from autograder.bugs.diagnosis import Diagnostician
from autograder.curriculum import Curriculum, Exercise
from autograder.judge.examine import Request
from autograder.judge.session import Judge, with_judge
from autograder.kernel.carrying import carried
from autograder.notebook import read
from autograder.release import NotReleased, blanked, release, spoilers
from autograder.render.text import words

pytestmark = pytest.mark.long(3)

REPOSITORY = Path(__file__).parents[2]

LEDGER = '''# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 2
#     title: Ledger
#     question: "What is built on an earlier exercise?"
#     hours: 1
#     track: core
#     week: 1
#     needs: [tally]
#     sources: ["none"]
#     alone: [average]
#     from_scratch: []
# ---

# %%
from autograder import carry, check

tally = carry("tally")

# %% nbgrader={"grade_id": "average", "solution": true}
def average(values):
    """The mean of a list of floats."""
    ### BEGIN SOLUTION
    ledger = tally.Tally()
    for value in values:
        ledger.add(value)
    return ledger.mean()
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-average", "grade": true, "points": 1}
check("average")
'''
CHECKS = """
from autograder.judge import observation, part

@observation
def averages(learner, values):
    return learner.average(values)

@part("average")
def test_the_average_is_the_mean(observe, expect):
    expect(observe(averages, [1.0, 4.0]), 2.5, "Sum over count.")

@part("average")
def test_one_is_its_own_average(observe, expect):
    expect(observe(averages, [3.5]), 3.5, "One value.")
"""
BUG = """
[[bug]]
id = "skips-the-first"
part = "average"
misconception = "The first value is \\"the start\\", not a value."
symptom = "Averages of one are zero."
find = "for value in values:"
replace = "for value in values[1:]:"
question = "What is values[0]?"
"""


@dataclass(frozen=True)
class Pair:
    """A course with its solutions, and its release."""

    full: Curriculum
    bare: Curriculum


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A course of two exercises, the second built on the first."""
    root = tmp_path_factory.mktemp("release")
    shutil.copytree(REPOSITORY / "tests" / "course", root / "full", ignore=shutil.ignore_patterns(".*", "__pycache__"))
    place = root / "full/solutions/phase1_foundations/ledger"
    place.mkdir()
    (place / "exercise.py").write_text(LEDGER)
    (place / "parts.toml").write_text('[average]\ntitle = "Average"\nhints = ["One.", "Two.", "Three."]\n')
    (place / "bugs.toml").write_text(BUG)
    (root / "full/autograder/checks/phase1_foundations/test_ledger.py").write_text(CHECKS)
    full = curriculum.load(root / "full")
    assert release(full, root / "bare") == ["tally", "ledger"]
    return Pair(full, curriculum.load(root / "bare"))


def verdicts(course: Curriculum, requests: list[Request]) -> list[Any]:
    """What each request gets, without its seconds, graded in this course."""
    here = [replace(request, exercise=course.exercise(request.exercise.name)) for request in requests]

    def body(judge: Judge) -> list[Any]:
        found = dict(Diagnostician(judge).grade(here))
        return [{**found[index].report.as_json(), "seconds": 0} for index in range(len(here))]

    return with_judge(course, course.exercises, body)


def every_version(exercise: Exercise) -> list[Request]:
    """The reference, every bug and slip, every bug in other words and every variant."""
    listing = catalogue(exercise)
    requests = [Request(exercise, "reference", read(exercise.source))]
    for entry in (*listing.wrong, *listing.other_words, *listing.variants):
        requests.append(Request(exercise, entry.id, mutated(exercise, entry)))
    return requests


def test_every_check_and_every_diagnosis_is_the_same_there(pair: Pair) -> None:
    requests = every_version(pair.full.exercise("tally"))
    found = verdicts(pair.full, requests)
    assert verdicts(pair.bare, requests) == found
    (slip,) = (verdict for request, verdict in zip(requests, found, strict=True) if request.path == "count-for-total/1")
    assert [part["bug"] for part in slip["parts"] if part["part"] == "mean"] == ["count-for-total"]


def test_what_builds_on_an_earlier_exercise_waits_for_ones_own(pair: Pair) -> None:
    tally, ledger = pair.full.exercise("tally"), pair.full.exercise("ledger")
    requests = [Request(ledger, "mine", read(ledger.source))]
    notebook = pair.bare.exercise("tally").notebook
    blank = notebook.read_text()
    ((part,),) = (verdict["parts"] for verdict in verdicts(pair.bare, requests))
    assert part["outcome"] == "not_started" and "waits for your own tally" in part["message"]
    try:
        notebook.write_text(solved(blank, tally))
        ((part,),) = (verdict["parts"] for verdict in verdicts(pair.bare, requests))
        assert part["outcome"] == "passed"
    finally:
        notebook.write_text(blank)


def solved(notebook: str, exercise: Exercise) -> str:
    """A notebook with the reference's cells in the place of the stubs."""
    document = json.loads(notebook)
    texts = {cell.grade_id: cell.source for cell in read(exercise.source) if cell.grade_id}
    for cell in document["cells"]:
        cell["source"] = texts.get(cell["metadata"].get("nbgrader", {}).get("grade_id"), cell["source"])
    return json.dumps(document)


def test_carry_in_a_notebook_is_ones_own_or_says_what_it_waits_for(pair: Pair) -> None:
    exercise = pair.bare.exercise("tally")
    blank = exercise.notebook.read_text()
    with pytest.raises(LookupError, match=r"waits for your own mean.*fathom check tally"):
        carried(SimpleNamespace(course=pair.bare, passed=lambda _: {"add", "running", "halvings"}), "tally")
    try:
        exercise.notebook.write_text(solved(blank, pair.full.exercise("tally")))
        everything = SimpleNamespace(course=pair.bare, passed=lambda _: {part.name for part in exercise.parts})
        assert carried(everything, "tally").Tally().add(2.0).mean() == 2.0
    finally:
        exercise.notebook.write_text(blank)


def test_front_matter_parts_hints_and_questions_travel(pair: Pair) -> None:
    for full, bare in zip(pair.full.exercises, pair.bare.exercises, strict=True):
        assert bare.released and not full.released
        assert bare.parts == full.parts
        told = tuple(replace(bug, find="", replace="", also=()) for bug in catalogue(full).bugs)
        assert told == catalogue(bare).bugs
        ours, theirs = ((course.root, exercise.notebook) for course, exercise in ((pair.full, full), (pair.bare, bare)))
        assert ours[0] != theirs[0] and theirs[1].exists()


def test_no_solution_travels(pair: Pair) -> None:
    assert not (pair.bare.root / "solutions").exists()
    assert list(spoilers(pair.full, pair.bare.root)) == []
    stolen = pair.bare.root / "phase1_foundations" / "helper.py"
    stolen.write_text(pair.full.exercise("tally").source.read_text())
    try:
        assert "helper.py holds a solution of tally" in " ".join(spoilers(pair.full, pair.bare.root))
    finally:
        stolen.unlink()


def test_a_folder_that_is_taken_is_left_alone(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(NotReleased, match="is there already"):
        release(pair.full, tmp_path)
    with pytest.raises(NotReleased, match="is a release itself"):
        release(pair.bare, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_blanked_lesson_keeps_its_delimiters() -> None:
    lesson = "def f():\n    ### BEGIN SOLUTION pow\n    return 1\n    ### END SOLUTION\n"
    stub = "    # write your code here\n    raise NotImplementedError\n"
    assert blanked(lesson) == f"def f():\n    ### BEGIN SOLUTION pow\n{stub}    ### END SOLUTION\n"


@pytest.mark.parametrize(
    "words",
    [
        ["verify"],
        ["verify", "tally", "--json"],
        ["drill"],
        ["drill", "tally"],
        ["exam"],
        ["site", "build"],
        ["site", "serve"],
        ["build", "--nbgrader", "course"],
        ["release", "elsewhere"],
    ],
)
def test_what_takes_solutions_says_so_in_a_copy_without_them(
    pair: Pair, words: list[str], made: Any, family: Any
) -> None:
    said = made.fathom(pair.bare.root, family)(*words)
    assert said.code == 2, said
    assert said.err.startswith("fathom: ") and "solutions" in said.err, said
    assert "Traceback" not in said.err


def test_the_curriculum_itself_can_be_released(tmp_path: Path, made: Any, family: Any) -> None:
    full = curriculum.load(REPOSITORY)
    release(full, tmp_path / "class")
    bare = curriculum.load(tmp_path / "class")
    demo = made.fathom(bare.root, family)("demo")
    assert demo.code == 0 and "The blank exercise" in demo.out and "without solutions" in demo.out, demo
    lone = [exercise for exercise in full.exercises if not exercise.needs]
    requests = [Request(exercise, "reference", read(exercise.source)) for exercise in lone]
    requests += [Request(e, bug.id, mutated(e, bug)) for e in lone for bug in catalogue(e).bugs[:3]]
    for request, verdict in zip(requests, verdicts(bare, requests), strict=True):
        outcomes = {part["part"]: words(part["outcome"]) for part in verdict["parts"]}
        names = {part["bug"] for part in verdict["parts"]} - {None}
        if request.path == "reference":
            assert set(outcomes.values()) == {"passed"}, (request.exercise.name, outcomes)
        else:
            assert names & set(catalogue(request.exercise).twins(request.path)), (request.exercise.name, request.path)
