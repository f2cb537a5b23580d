"""Which cells a kernel ran: recognised by id, by text or by what they define, and put into the lesson's order."""

from __future__ import annotations

from pathlib import Path

from kernels import tally

from autograder.kernel.history import Executed, Lesson, Run, arranged, lesson_of
from autograder.kernel.whose import by_file, by_runs, is_own
from autograder.notebook import blank_of, definitions

MEAN = "@method(Tally)\ndef mean(self):\n    return 1.0\n"
HALVINGS = "def halvings(n):\n    return 1\n"


def lesson(root: Path) -> Lesson:
    return lesson_of(tally(root))


def sources_of(cells: tuple[Executed, ...]) -> list[str]:
    return [cell.source for cell in cells]


def names_of(cells: tuple[Executed, ...]) -> list[str | None]:
    return [cell.grade_id for cell in cells]


def test_cells_come_in_the_order_of_the_lesson_however_they_were_run(shared_root: Path) -> None:
    runs = [Run("halvings", HALVINGS), Run("mean", MEAN), Run("tally", "class Tally: pass")]
    assert names_of(arranged(runs, lesson(shared_root))) == ["tally", "mean", "halvings"]


def test_the_latest_form_of_a_cell_counts(shared_root: Path) -> None:
    runs = [Run("halvings", HALVINGS), Run("halvings", HALVINGS.replace("1", "2"))]
    assert sources_of(arranged(runs, lesson(shared_root))) == [HALVINGS.replace("1", "2")]


def test_an_own_cell_stays_behind_what_ran_before_it(shared_root: Path) -> None:
    runs = [
        Run("tally", "class Tally: pass"),
        Run("own", "LIMIT = 3"),
        Run("halvings", HALVINGS),
        Run("own", "LIMIT = 4"),
    ]
    assert sources_of(arranged(runs, lesson(shared_root))) == ["class Tally: pass", "LIMIT = 4", HALVINGS]


def test_a_given_cell_that_ran_late_stands_where_the_lesson_has_it(shared_root: Path) -> None:
    found = lesson(shared_root)
    given = next(text for text, name in found.texts.items() if name not in found.blank.cells)
    cells = arranged([Run("mean", MEAN), Run("foreign-id", given)], found)
    assert sources_of(cells) == [given, MEAN]


def test_a_redefinition_in_a_scratch_cell_is_no_answer(shared_root: Path) -> None:
    runs = [Run("halvings", HALVINGS), Run("scratch", HALVINGS.replace("1", "99"))]
    cells = arranged(runs, lesson(shared_root))
    assert names_of(cells) == ["halvings", None]
    found = definitions(cells, blank_of(tally(shared_root)))
    assert [s.source for s in found.statements if "halvings" in s.names] == [HALVINGS.strip()]


def test_with_foreign_ids_the_first_cell_that_defines_a_name_is_its_cell(shared_root: Path) -> None:
    """VS Code calls cells by addresses of its own, which stay while a cell is edited."""
    runs = [
        Run("vscode:#W1", HALVINGS),
        Run("vscode:#W7", HALVINGS.replace("1", "99")),
        Run("vscode:#W1", HALVINGS + "# b"),
    ]
    cells = arranged(runs, lesson(shared_root))
    assert [(cell.grade_id, cell.source) for cell in cells] == [
        ("halvings", HALVINGS + "# b"),
        (None, HALVINGS.replace("1", "99")),
    ]


def test_without_ids_the_latest_definition_counts_at_a_terminal(shared_root: Path) -> None:
    runs = [Run(None, HALVINGS, 1), Run(None, HALVINGS.replace("1", "2"), 2)]
    cells = arranged(runs, lesson(shared_root))
    assert names_of(cells) == [None, None]
    assert [cell.label for cell in cells] == ["In [1]", "In [2]"]


def test_without_ids_a_program_that_runs_a_notebook_meets_the_answer_first(shared_root: Path) -> None:
    runs = [Run(None, HALVINGS), Run(None, HALVINGS.replace("1", "99"))]
    assert names_of(arranged(runs, lesson(shared_root), by_first=True)) == ["halvings", None]


def test_the_exercise_is_told_by_the_name_of_the_file(shared_root: Path, tmp_path: Path) -> None:
    exercise = tally(shared_root)
    course = [exercise]
    assert by_file_of(shared_root, tmp_path / exercise.notebook.name) == "tally"
    assert by_runs(course, []) is None


def test_a_renamed_file_is_told_by_what_the_build_wrote_into_it(shared_root: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "my own name.ipynb"
    renamed.write_bytes(tally(shared_root).notebook.read_bytes())
    assert by_file_of(shared_root, renamed) == "tally"
    assert by_file_of(shared_root, tmp_path / "nothing.ipynb") is None


def by_file_of(root: Path, path: Path) -> str | None:
    from autograder import curriculum

    found = by_file(curriculum.load(root), path)
    return found.name if found else None


def test_only_what_lies_beside_the_lessons_is_the_learners_own(shared_root: Path, tmp_path: Path) -> None:
    from autograder import curriculum

    course = curriculum.load(shared_root)
    notebook = tally(shared_root).notebook
    assert is_own(course, notebook, attended=False)
    assert is_own(course, notebook.with_name("renamed.ipynb"), attended=False)
    assert not is_own(course, shared_root / "autograded" / "ada" / notebook.name, attended=True)
    assert is_own(course, None, attended=True)
    assert not is_own(course, None, attended=False)
