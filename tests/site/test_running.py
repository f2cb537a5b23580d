"""One kernel for all of it: a lesson that prints, draws, fails where it says so, and logs nothing."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.curriculum import Curriculum, Exercise
from autograder.notebook import Cell
from autograder.site import running
from autograder.site.running import RunFailed, is_kept, ran

LESSON = """
# %%
import sys
import matplotlib.pyplot as plt
from autograder import aha, carry, check, hint

# %%
print("one")
print("two", flush=True)
print("not for the page", file=sys.stderr)
aha("nobody logs this"), hint("total")

# %%
_, ax = plt.subplots(figsize=(2, 1))
ax.plot([1, 2])
ax.set(title="Up [and] up", xlabel="x", ylabel="y")
plt.show()

# %% nbgrader={"grade_id": "check-total", "grade": true, "points": 1}
check("total")

# %% tags=["raises-exception"]
raise ValueError("as it should")

# %%
print("10%\\r50%\\r100%")
print("\\x1b[31mred\\x1b[0m")

# %%
carry("sums").Both(1, 2).total()
"""


@pytest.fixture
def lesson(course: Curriculum) -> Exercise:
    exercise = course.exercise("more")
    header = exercise.source.read_text(encoding="utf-8").split("\n\n# %%")[0]
    exercise.source.write_text(header + LESSON, encoding="utf-8")
    return exercise


def test_a_lesson_runs_once_and_shows_what_its_cells_show(lesson: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_kept(lesson)
    run = ran(lesson)
    assert is_kept(lesson)
    shown = [[(out.kind, out.text) for out in outs] for outs in run.outputs.values()]
    assert shown == [
        [("text", "one\ntwo\n(None, None)\n")],
        [("picture", "Up [and] up")],
        [("error", "ValueError: as it should")],
        [("text", "100%\nred\n")],
        [("text", "3\n")],
    ]
    assert not (lesson.root / "progress_log").exists()

    (picture,) = (out for outs in run.outputs.values() for out in outs if out.kind == "picture")
    width, height = struct.unpack(">II", (run.folder / picture.file).read_bytes()[16:24])
    assert (width, height) == (2 * picture.width, 2 * picture.height)

    monkeypatch.setattr(running, "_executed", None)  # a second run would need it
    assert ran(lesson).outputs == run.outputs


def test_what_decides_the_outcome_decides_whether_it_runs_again(lesson: Exercise, tmp_path: Path) -> None:
    cells = [Cell("code", "print(1)", index=0)]
    before = running._digest(cells, [])
    other = tmp_path / "carried.py"
    other.write_text("x = 1", encoding="utf-8")
    assert running._digest(cells, []) == before
    assert running._digest([replace(cells[0], source="print(2)")], []) != before
    assert running._digest([replace(cells[0], index=1)], []) != before
    assert running._digest(cells, [other]) != before


def test_a_lesson_that_raises_is_named_with_its_error(lesson: Exercise) -> None:
    lesson.source.write_text('# %%\nprint("before")\n\n# %%\nraise KeyError("lost")\n', encoding="utf-8")
    with pytest.raises(RunFailed, match=r"exercise.py: a cell raised KeyError: 'lost'\nMend it, or tag it"):
        ran(lesson)
    assert not is_kept(lesson)
