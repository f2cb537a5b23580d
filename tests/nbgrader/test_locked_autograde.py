"""`nbgrader autograde` under our configuration: nothing runs in a kernel, and every grade is that of `fathom grade`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from submitted import answered, save
from traitlets.config import Config

from autograder.curriculum import Exercise
from autograder.observe import locked

WRONG = {"halvings": "def halvings(n):\n    return n.bit_length()\n"}
EXIT = {"running": "def running(values):\n    import os\n    os._exit(0)\n"}
Points = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Room:
    """A course in which everything has been graded."""

    folder: Path
    canary: Path
    exercise: Exercise

    def points(self, database: str = "gradebook.db") -> Points:
        """The automatic points by student and check cell."""
        with Gradebook(f"sqlite:///{self.folder / database}") as book:
            return {
                submission.student.id: {
                    g.name: g.auto_score for notebook in submission.notebooks for g in notebook.grades
                }
                for submission in book.assignment_submissions("tally")
            }


@pytest.fixture(scope="module")
def room(exercise: Exercise, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """Three submissions, autograded: a right one with harm in its scratch, a wrong one, one that exits."""
    try:
        locked.command()
    except locked.NoLock as reason:
        pytest.skip(str(reason))
    folder = tmp_path_factory.mktemp("class")
    canary = folder / "touched"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FATHOM_ROOT", str(exercise.root))
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        fathom("build", "tally", "--nbgrader", str(folder))
        config = Config()
        config.CourseDirectory.root = str(folder)
        exec((folder / "nbgrader_config.py").read_text(), {"get_config": lambda: config})
        nbgrader = NbGraderAPI(config=config)
        assert nbgrader.generate_assignment("tally")["success"]
        given = {"ada": answered(exercise), "grace": answered(exercise, WRONG), "mallory": answered(exercise, EXIT)}
        given["ada"]["cells"].append(scratch(f"open({str(canary)!r}, 'w').write('harm')"))
        given["mallory"]["cells"].insert(1, scratch(f"open({str(canary)!r}, 'w').write('harm')"))
        for student, notebook in given.items():
            save(notebook, folder / "submitted" / student / "tally" / exercise.notebook.name)
            done = nbgrader.autograde("tally", student)
            assert done["success"], done["log"]
        yield Room(folder, canary, exercise)


def scratch(source: str) -> dict[str, Any]:
    """A cell that the lesson does not have."""
    made = {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": 1}
    return {**made, "id": f"scratch-{len(source)}"}


def fathom(*words: str) -> str:
    """Run a command and return what it prints."""
    command = [sys.executable, "-c", "from autograder.cli import main; main()", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


EXPECTED = {
    "ada": {"check-add": 1, "check-mean": 2, "check-running": 3, "check-halvings": 1},
    "grace": {"check-add": 1, "check-mean": 2, "check-running": 3, "check-halvings": 0},
    "mallory": {"check-add": 1, "check-mean": 2, "check-running": 0, "check-halvings": 1},
}


def test_the_gradebook_has_our_verdicts(room: Room) -> None:
    assert room.points() == EXPECTED


def test_nothing_ran_in_a_kernel(room: Room) -> None:
    assert not room.canary.exists()


def test_the_autograded_notebook_tells_the_misconception(room: Room) -> None:
    place = room.folder / "autograded" / "grace" / "tally" / room.exercise.notebook.name
    cells = {
        cell["metadata"].get("nbgrader", {}).get("grade_id"): cell for cell in json.loads(place.read_text())["cells"]
    }
    (output,) = cells["check-halvings"]["outputs"]
    assert output["output_type"] == "error" and "Counting begins at one." in " ".join(output["traceback"])
    assert cells["check-add"]["outputs"][0]["output_type"] == "display_data"


def test_grade_writes_the_same_points_into_a_gradebook(room: Room, tmp_path: Path) -> None:
    database = room.folder / "other.db"
    with Gradebook(f"sqlite:///{database}") as book, Gradebook(f"sqlite:///{room.folder / 'gradebook.db'}") as known:
        book.add_assignment("tally")
        for notebook in known.find_assignment("tally").notebooks:
            book.add_notebook(notebook.name, "tally")
            for cell in notebook.grade_cells:
                made = {"max_score": cell.max_score, "cell_type": cell.cell_type}
                book.add_grade_cell(cell.name, notebook.name, "tally", **made)
    fathom("grade", str(room.folder), "--out", str(tmp_path / "out"), "--gradebook", str(database), "--json")
    assert room.points("other.db") == EXPECTED


def test_a_configuration_of_ones_own_is_left_alone(room: Room, tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\n")
    said = fathom("build", "tally", "--nbgrader", str(tmp_path))
    assert "is yours" in said and "configure(get_config())" in said
    assert (tmp_path / "nbgrader_config.py").read_text() == "c = get_config()\n"
