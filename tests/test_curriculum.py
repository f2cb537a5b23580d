"""The curriculum read from its folders, and what an author is told about a mistake in them."""

import dataclasses
import os
import sys
import time
from pathlib import Path

import pytest

from autograder import curriculum
from autograder.curriculum import Curriculum, CurriculumError, Exercise, Part, UnknownExercise, find_root, load

HEADER = """\
# ---
# jupyter:
#   fathom:
#     number: {number}
#     title: Title of {name}
#     question: "Why?"
#     hours: 2.5
#     track: core
#     week: 1
#     needs: [{needs}]
#     sources: ["a paper"]
#     alone: [Number]
#     from_scratch: []
# ---

"""
CELLS = '''\
# %% [markdown]
# # {name}

# %% nbgrader={{"grade_id": "number", "solution": true}}
class Number:
    def add(self, other):
        """Add."""
        ### BEGIN SOLUTION
        return 1
        ### END SOLUTION

    class Inner:
        def neg(self):
            def inner():
                ### BEGIN SOLUTION signs
                return 2
                ### END SOLUTION
            return inner

# %% nbgrader={{"grade_id": "check-add", "grade": true, "points": 2}}
check("add")

# %% nbgrader={{"grade_id": "mul", "solution": true}}
@method(Number)
def mul(self, other):
    ### BEGIN SOLUTION
    return 3
    ### END SOLUTION

# %% nbgrader={{"grade_id": "check-signs", "grade": true, "points": 1}}
check("signs")
'''
PARTS = """\
[add]
title = "Addition"
hints = ["one", "two", "three"]

[signs]
title = "Signs"
needs = ["add"]
hints = ["one", "two", "three"]
"""


def write(root: Path, place: str, number: int, needs: str = "") -> Path:
    folder = root / "solutions" / place
    folder.mkdir(parents=True)
    name = folder.name
    (folder / "exercise.py").write_text(HEADER.format(number=number, name=name, needs=needs) + CELLS.format(name=name))
    (folder / "parts.toml").write_text(PARTS)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "autograder" / "checks").mkdir(parents=True)
    write(tmp_path, "phase1_foundations/backprop_engine", 1)
    write(tmp_path, "phase1_foundations/manual_backprop", 6, "backprop_engine")
    write(tmp_path, "phase2_llm_projects/script_retrieval", 22, "manual_backprop")
    (tmp_path / "solutions" / "phase1_foundations" / "__pycache__").mkdir()
    (tmp_path / "solutions" / "README.md").write_text("x")
    return tmp_path


@pytest.fixture
def course(root: Path) -> Curriculum:
    return load(root)


def test_phases_and_exercises_come_in_order(course: Curriculum) -> None:
    assert [(phase.name, phase.title) for phase in course.phases] == [
        ("phase1_foundations", "Foundations"),
        ("phase2_llm_projects", "LLM projects"),
    ]
    assert [(e.number, e.name, e.phase) for e in course.exercises] == [
        (1, "backprop_engine", "phase1_foundations"),
        (6, "manual_backprop", "phase1_foundations"),
        (22, "script_retrieval", "phase2_llm_projects"),
    ]


def test_an_exercise_knows_its_front_matter_and_its_files(course: Curriculum, root: Path) -> None:
    exercise = course.exercise("backprop_engine")
    assert (exercise.title, exercise.question, exercise.hours) == ("Title of backprop_engine", "Why?", 2.5)
    assert (exercise.track, exercise.week, exercise.alone) == ("core", 1, ("Number",))
    assert (exercise.sources, exercise.from_scratch, exercise.needs) == (("a paper",), (), ())
    assert exercise.folder == root / "solutions/phase1_foundations/backprop_engine"
    assert exercise.source == exercise.folder / "exercise.py"
    assert exercise.checks == root / "autograder/checks/phase1_foundations/test_backprop_engine.py"
    assert exercise.notebook == root / "phase1_foundations/01_backprop_engine.ipynb"
    assert hash(exercise) == hash(load(root).exercise("1"))


def test_parts_hold_their_stubs(course: Curriculum) -> None:
    exercise = course.exercise("backprop_engine")
    assert exercise.parts == (
        Part("add", "Addition", 2, (), ("one", "two", "three"), ("Number.add",)),
        Part("signs", "Signs", 1, ("add",), ("one", "two", "three"), ("Number.Inner.neg", "Number.mul")),
    )
    assert exercise.points == 3
    assert exercise.part("signs").title == "Signs"
    with pytest.raises(LookupError, match=r"did you mean 'signs'.*add, signs"):
        exercise.part("sings")


NAMES = [
    *("backprop_engine", "1", "01", "001", "backprop", "backprop-engine", "Backprop engine", "engine", " 1 "),
    *("phase1_foundations/01_backprop_engine.ipynb", "01_backprop_engine", "some/where/01_backprop_engine.ipynb"),
    *("solutions/phase1_foundations/backprop_engine/exercise.py", "test_backprop_engine.py", "backprop_engine.py"),
]


def test_a_bug_can_show_in_its_part_and_in_all_that_build_on_it(course: Curriculum) -> None:
    exercise = course.exercises[0]
    assert [(part.name, part.needs) for part in exercise.parts][:2] == [("add", ()), ("signs", ("add",))]
    assert exercise.built_on("add")[:2] == ("add", "signs")
    assert "add" not in exercise.built_on("signs")


@pytest.mark.parametrize("name", NAMES)
def test_an_exercise_is_found_by_many_names(course: Curriculum, name: str) -> None:
    assert course.exercise(name).number == 1
    assert course.exercise(Path(name)).number == 1


def test_unknown_names_are_answered_with_the_nearest_and_the_list(course: Curriculum) -> None:
    with pytest.raises(UnknownExercise, match="'bakprop_engine'; did you mean 'backprop_engine'") as error:
        course.exercise("bakprop_engine")
    assert "script_retrieval" in str(error.value)
    for name in ("", "7", "zzz", "/", "..", "-1", "²", "x" * 1000):
        with pytest.raises(UnknownExercise):
            course.exercise(name)


def test_names_that_fit_several_are_refused(root: Path) -> None:
    write(root, "phase1_foundations/backprop_again", 7)
    with pytest.raises(UnknownExercise, match="could be any of: backprop_engine, backprop_again"):
        load(root).exercise("backprop")


def test_an_exercise_can_be_made_without_its_lesson(root: Path) -> None:
    made = dataclasses.replace(
        load(root).exercise("1"), name="other", read_parts=lambda: (Part("a", "A", 1, (), (), ()),)
    )
    assert isinstance(made, Exercise) and made.points == 1 and made.notebook.name == "01_other.ipynb"


# --- an author's mistakes


HEADERS = [
    ("#     week: 1\n", "", "lacks week"),
    ("#     week: 1\n", "#     week: 1\n#     weak: 1\n", "unknown keys: weak"),
    ("number: 1", "number: one", "`number` is 'one'"),
    ("number: 1", "number: 0", "`number` is 0"),
    ("number: 1", "number: true", "`number` is True"),
    ("hours: 2.5", "hours: long", "`hours` is 'long'"),
    ("track: core", "track: main", "one of core, breadth"),
    ("needs: []", "needs: x", "`needs` is 'x'"),
    ('"Why?"', '""', "`question` is ''"),
    ("#   fathom:\n", "#   fathm:\n", "no `fathom` block"),
    ("# jupyter:\n", "# jupyter: [\n", "not YAML"),
    ("needs: []", "needs: [nothing]", "needs 'nothing'"),
    ("needs: []", "needs: [manual_backprop]", "no earlier exercise"),
    ("number: 1", "number: 6", "number 6 is also that of"),
]


@pytest.mark.parametrize(("old", "new", "words"), HEADERS, ids=[words for _, _, words in HEADERS])
def test_mistakes_in_the_header_are_told(root: Path, old: str, new: str, words: str) -> None:
    file = root / "solutions/phase1_foundations/backprop_engine/exercise.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(CurriculumError) as error:
        load(root)
    assert words in str(error.value) and "exercise.py" in str(error.value)


LESSONS = [
    (
        "exercise.py",
        "    ### END SOLUTION\n\n# %% nb",
        "\n# %% nb",
        "line 3 begins a solution region that no line ends",
    ),
    ("exercise.py", 'nbgrader={"grade_id": "mul", "solution": true}', "", "holds a solution region. Mark it"),
    ("exercise.py", "### BEGIN SOLUTION signs", "### BEGIN SOLUTION sings", "names part 'sings'"),
    ("exercise.py", 'check("signs")\n', 'check("signs")\nprint()\n', "more than one"),
    ("exercise.py", 'check("signs")', 'check("add")', "part 'add' has two check cells"),
    ("exercise.py", '"points": 1', '"points": 0', "0 points"),
    ("exercise.py", ', "points": 1', "", "None points"),
    ("exercise.py", '"grade_id": "mul"', '"grade_id": "number"', "two cells have the grade_id 'number'"),
    ("exercise.py", '"grade_id": "mul"', '"grade_id": "a b"', "has the grade_id 'a b'"),
    ("exercise.py", '{"grade_id": "mul"', '{"grade_id: "mul"', "options that cannot be read"),
    ("exercise.py", "    return 3", "    return (3", "cell mul, line 4: '(' was never closed"),
    (
        "exercise.py",
        "@method(Number)\ndef mul(self, other):\n    ### BEGIN SOLUTION\n    return",
        "if 3:\n    ### BEGIN SOLUTION\n    x =",
        "outside any function",
    ),
    (
        "exercise.py",
        "    ### BEGIN SOLUTION\n    return 3\n    ### END SOLUTION\n",
        "    return 3\n",
        "holds no solution region",
    ),
    ("parts.toml", "[signs]", "[sings]", "[sings] is no part of the lesson"),
    ("parts.toml", PARTS.partition("\n\n")[2], "", "part 'signs' has a check cell but no entry"),
    ("parts.toml", '"two", "three"]\n\n', '"two"]\n\n', "[add] needs a list of 3 hints"),
    ("parts.toml", 'title = "Signs"\n', "", "[signs] has no title"),
    ("parts.toml", 'needs = ["add"]', 'needs = ["ad"]', "[signs] needs ['ad']. Other parts are: add."),
    ("parts.toml", 'needs = ["add"]', 'needs = "add"', "[signs] needs 'add'"),
    ("parts.toml", 'title = "Addition"', 'title = "A"\nneeds = ["signs"]', "add → signs → add"),
    ("parts.toml", 'title = "Signs"', 'title = "Signs"\nhint = 1', "unknown keys: hint"),
    ("parts.toml", "[add]", "[add", "not TOML"),
    ("parts.toml", PARTS, "add = 1\nsigns = 2", "'add' is not a table"),
]


@pytest.mark.parametrize(("file", "old", "new", "words"), LESSONS, ids=[words for *_, words in LESSONS])
def test_mistakes_in_a_lesson_are_told_when_its_parts_are_asked_for(
    root: Path, file: str, old: str, new: str, words: str
) -> None:
    path = root / "solutions/phase1_foundations/backprop_engine" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    course = load(root)
    assert course.exercise("manual_backprop").points == 3, "a mistake in one exercise leaves the others alone"
    with pytest.raises(CurriculumError) as error:
        _ = course.exercise("1").parts
    assert words in str(error.value) and str(path.parent) in str(error.value)
    assert str(error.value).endswith(".")


def test_missing_files_are_told(root: Path) -> None:
    folder = root / "solutions/phase1_foundations/backprop_engine"
    (folder / "parts.toml").unlink()
    with pytest.raises(CurriculumError, match=r"parts.toml: it is missing"):
        _ = load(root).exercise("1").parts
    (folder / "exercise.py").write_bytes(b"\xff")
    with pytest.raises(CurriculumError, match="could not be read"):
        load(root)
    (folder / "exercise.py").unlink()
    with pytest.raises(CurriculumError, match="needs 'backprop_engine', which is no earlier exercise"):
        load(root)


def test_without_solutions_there_is_nothing_but_no_error(tmp_path: Path) -> None:
    course = load(tmp_path)
    assert course.exercises == ()
    with pytest.raises(UnknownExercise, match="There are no exercises in"):
        course.exercise("1")


# --- where the repository is


def test_the_root_is_found_around_the_current_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FATHOM_ROOT", raising=False)
    inside = root / "solutions" / "phase1_foundations"
    assert find_root(inside) == root.resolve()
    monkeypatch.chdir(inside)
    assert find_root() == root.resolve()


def test_the_variable_comes_first_and_must_hold(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FATHOM_ROOT", str(root))
    assert find_root(Path("/")) == root.resolve()
    monkeypatch.setenv("FATHOM_ROOT", str(tmp_path / "nowhere"))
    with pytest.raises(CurriculumError, match="FATHOM_ROOT"):
        find_root()


def test_elsewhere_it_is_the_packages_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv("FATHOM_ROOT", raising=False)
    outside = tmp_path_factory.mktemp("outside")
    own = Path(curriculum.__file__).resolve().parents[1]
    assert find_root(outside) == own
    gone = outside / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert find_root() == own


# --- cost


def test_reading_the_front_matter_is_cheap(root: Path) -> None:
    for number in range(30, 38):
        write(root, f"phase3_apply/exercise_{number}", number)
    load(root)
    began = time.process_time()
    load(root)
    assert time.process_time() - began < 0.02 * 3, "eleven exercises: 20 ms, and room for a busy machine"


def test_importing_stays_light() -> None:
    import subprocess

    heavy = ("torch", "nbformat", "jupytext", "nbgrader", "numpy", "IPython")
    code = f"import sys, autograder.curriculum, autograder.notebook; print([m for m in {heavy!r} if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.strip() == "[]"


def test_a_lesson_is_kept_by_content(root: Path, course: Curriculum) -> None:
    exercise = course.exercises[0]
    first = exercise.parts
    for kind in ("front", "parts"):
        place = root / ".fathom" / "lessons" / f"{exercise.name}.{kind}.json"
        whole = place.read_text(encoding="utf-8")
        again = load(root).exercise(exercise.name)
        assert (again, again.parts) == (exercise, first)
        place.write_text('{"key": 1', encoding="utf-8")  # damaged: read anew, and kept again
        again = load(root).exercise(exercise.name)
        assert (again, again.parts) == (exercise, first)
        assert place.read_text(encoding="utf-8") == whole
    text = exercise.source.read_text(encoding="utf-8")
    exercise.source.write_text(text.replace(f"title: {exercise.title}", "title: Another"), encoding="utf-8")
    assert load(root).exercise(exercise.name).title == "Another"
    toml = exercise.folder / "parts.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace("Addition", "Plus"), encoding="utf-8")
    assert load(root).exercise(exercise.name).parts[0].title == "Plus"
    toml.write_text("[add", encoding="utf-8")
    with pytest.raises(CurriculumError, match="it is not TOML"):
        _ = load(root).exercise(exercise.name).parts
