"""Every bug of every exercise can be drilled: it is planted, it shows, and its own reverse solves it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from autograder import curriculum
from autograder.bugs.catalogue import Bug, catalogue
from autograder.curriculum import CurriculumError, Exercise
from autograder.judge.examine import Request
from autograder.judge.session import Judge, with_judge
from autograder.notebook import read
from autograder.practice.drill import plant, symptoms
from autograder.practice.planting import compatible, mended

pytestmark = pytest.mark.long(4)

ROOT = Path(__file__).resolve().parents[2]
COURSES = (curriculum.load(ROOT), curriculum.load(ROOT / "tests" / "course"))
EXERCISES = {e.name: e for course in COURSES for e in course.exercises if catalogue(e).bugs and e.checks.is_file()}
BUGS = [(exercise.name, bug.id) for exercise in EXERCISES.values() for bug in catalogue(exercise).bugs]


def bug_of(name: str, bug: str) -> tuple[Exercise, Bug]:
    return EXERCISES[name], catalogue(EXERCISES[name]).bug(bug)


@pytest.mark.parametrize(("name", "bug"), BUGS)
def test_a_planted_bug_changes_cells_of_answers_and_its_reverse_restores_the_reference(name: str, bug: str) -> None:
    exercise, found = bug_of(name, bug)
    reference = read(exercise.source)
    made = plant(exercise, [found])
    assert made.cells != reference
    assert made.reversed() == reference
    assert [cell.grade_id for cell in made.affected if cell.grade_id] != []
    assert all(cell.kind == "code" for cell in made.affected)


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_bugs_planted_together_come_out_together(name: str) -> None:
    exercise = EXERCISES[name]
    reference = read(exercise.source)
    bugs = catalogue(exercise).bugs
    trios = [trio for trio in combinations(bugs[::3], 3) if compatible(exercise, trio)][:40]
    assert trios
    for trio in trios:
        made = plant(exercise, trio)
        assert made.reversed() == reference
        for number in range(3):  # any two reverses leave the third bug, wherever it stands
            kept = made.edits[number]
            rest = mended(made.cells, [edit for edit in made.edits if edit is not kept])
            assert rest != reference
            assert sum(one.source != other.source for one, other in zip(rest, reference, strict=True)) == 1


def test_bugs_of_the_same_lines_are_refused_together() -> None:
    exercise = EXERCISES["tally"]
    listing = catalogue(exercise)
    pair = [listing.bug("count-for-total"), listing.bug("mean-of-nothing")]
    assert not compatible(exercise, pair)
    with pytest.raises(CurriculumError, match="the same lines"):
        plant(exercise, pair)


def test_an_edited_cell_is_not_mended_by_force() -> None:
    exercise, bug = bug_of("tally", "rounds-up")
    made = plant(exercise, [bug])
    with pytest.raises(ValueError, match="no longer holds"):
        mended(read(exercise.source), made.edits)


@pytest.mark.parametrize("course", COURSES, ids=["curriculum", "small"])
def test_planted_bugs_show_and_their_reverse_passes_every_check(course: curriculum.Curriculum) -> None:
    """One bug an exercise, and one drill of several; that each fails its part is what `fathom verify` proves."""
    planted = []
    exercises = [exercise for exercise in course.exercises if exercise.name in EXERCISES]
    for exercise in exercises:
        bugs = [bug for bug in catalogue(exercise).bugs if bug.effect != "hang"]
        planted.append(plant(exercise, [bugs[len(bugs) // 2]]))
        several = next((trio for trio in combinations(bugs[::2], 3) if compatible(exercise, trio)), ())
        planted.append(plant(exercise, several))

    def body(judge: Judge) -> None:
        requests = [Request(made.exercise, "planted", made.cells) for made in planted]
        for index, graded in judge.grade(requests, jobs=2):
            made = planted[index]
            ids = [bug.id for bug in made.bugs]
            assert symptoms(graded.report), (made.exercise.name, ids)
            assert graded.report.part(made.bugs[0].part).outcome != "passed", (made.exercise.name, ids)
        whole = [
            Request(exercise, "reversed", plant(exercise, [catalogue(exercise).bugs[0]]).reversed())
            for exercise in exercises
        ]
        for _, graded in judge.grade(whole, jobs=2):
            assert graded.report.passed, graded.report.exercise

    with_judge(course, exercises, body)


def test_symptoms_say_what_was_seen_and_nothing_else() -> None:
    course = COURSES[1]
    exercise = course.exercise("tally")
    listing = catalogue(exercise)

    def body(judge: Judge) -> None:
        for bug in listing.bugs:
            found = symptoms(judge.here(Request(exercise, "x", plant(exercise, [bug]).cells)).report)
            assert found, bug.id
            for one in found:
                assert one.check and one.outcome != "passed"
                told = f"{one.check} {one.got} {one.want}"
                assert bug.id not in told
                assert bug.misconception not in told
                assert "line" not in told.split()
        running = symptoms(judge.here(Request(exercise, "x", plant(exercise, [listing.bug("exclusive")]).cells)).report)
        assert running[0].picture is not None
        got, want = running[0].picture
        assert (len(got), len(want), got[0][0]) == (1, 1, 0.0)

    with_judge(course, [exercise], body)
