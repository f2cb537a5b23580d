"""An nbgrader course with our notebooks: generate, hand in, autograde; the gradebook agrees with `fathom check`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from submitted import answered, save
from traitlets.config import Config

from autograder import curriculum
from autograder.curriculum import Exercise
from autograder.notebook import blank_of, definitions, read

pytestmark = pytest.mark.long(5)

REPOSITORY = Path(__file__).parents[2]
Points = dict[str, dict[str, tuple[float, float]]]  # student → check cell → points, of how many

HALF_RIGHT = {
    "halvings": "def halvings(n):\n    return n.bit_length()\n",
    "running": "def running(values):\n    print('noise', file=__import__('sys').stderr)\n    return 1 / 0\n",
}
STUDENTS = {"ada": "right", "grace": "half right", "alan": "the release as it came"}


@pytest.fixture(scope="module")
def classroom(exercise: Exercise, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A graded course: the instructor's version generated, three submissions autograded, nothing configured."""
    folder = tmp_path_factory.mktemp("class")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("JPY_SESSION_NAME", raising=False)
        nbgrader = instructor(folder, exercise, patch)
        name = exercise.notebook.name
        release = json.loads((folder / "release" / "tally" / name).read_text(encoding="utf-8"))
        given = {"ada": answered(exercise), "grace": answered(exercise, HALF_RIGHT), "alan": release}
        for student, notebook in given.items():
            save(notebook, folder / "submitted" / student / "tally" / name)
            done = nbgrader.autograde("tally", student)
            assert done["success"], done["log"]
        yield folder


def instructor(folder: Path, exercise: Exercise, patch: pytest.MonkeyPatch) -> NbGraderAPI:
    """A new course with the release version of an exercise generated in it, nothing configured."""
    patch.setenv("FATHOM_ROOT", str(exercise.root))
    patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # it calls alembic
    fathom("build", exercise.name, "--nbgrader", str(folder))
    config = Config()
    config.CourseDirectory.root = str(folder)
    nbgrader = NbGraderAPI(config=config)
    done = nbgrader.generate_assignment(exercise.name)
    assert done["success"], done["log"]
    return nbgrader


def fathom(*words: str) -> str:
    """Run a command and return what it prints."""
    command = [sys.executable, "-c", "from autograder.cli import main; main()", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def gradebook(folder: Path) -> Points:
    """What nbgrader gave, by student and check cell."""
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
        return {
            student: {
                grade.name: (grade.score, grade.max_score)
                for notebook in book.find_submission("tally", student).notebooks
                for grade in notebook.grades
            }
            for student in STUDENTS
        }


def test_the_gradebook_agrees_with_fathom_point_for_point(classroom: Path, exercise: Exercise) -> None:
    paths = [str(classroom / "submitted" / student / "tally" / exercise.notebook.name) for student in STUDENTS]
    found = json.loads(fathom("check", "tally", "--json", "--submission", *paths))["submissions"]
    ours = {
        student: {f"check-{part['part']}": (part["points"], part["out_of"]) for part in graded["parts"]}
        for student, graded in zip(STUDENTS, found, strict=True)
    }
    assert gradebook(classroom) == ours
    totals = {student: sum(points for points, _ in parts.values()) for student, parts in ours.items()}
    assert totals == {"ada": 7, "grace": 3, "alan": 0}


@pytest.mark.parametrize("name", [exercise.name for exercise in curriculum.load(REPOSITORY).exercises])
def test_the_release_of_a_lesson_is_blank_and_whole(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exercise = curriculum.load(REPOSITORY).exercise(name)
    instructor(tmp_path, exercise, monkeypatch)
    cells = read(tmp_path / "release" / name / exercise.notebook.name)
    found = definitions(cells, blank_of(exercise))
    assert found.blank == set(blank_of(exercise).stubs), "every stub is there and none is answered"
    assert not found.missing
    assert not found.spoiled
    assert {cell.grade_id for cell in cells} >= {f"check-{part.name}" for part in exercise.parts}
