"""A tiny course in a temporary repository: one lesson with every kind of cell, and a shorter one that builds on it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.curriculum import Curriculum, Exercise, load

HEADER = """\
# ---
# jupyter:
#   kernelspec: {{display_name: Python 3, language: python, name: python3}}
#   fathom:
#     number: {number}
#     title: {title}
#     question: "What is {title}?"
#     hours: 2.5
#     track: core
#     week: 1
#     needs: {needs}
#     sources: ["a paper, section 2"]
#     alone: [Number]
#     from_scratch: [torch]
# ---

"""

LESSON = '''\
# %% [markdown]
# # Numbers
#
# A number that adds and multiplies.

# %%
import math

from autograder import check, method

# %% nbgrader={"grade_id": "number", "solution": true}
class Number:
    """A number."""

    def __init__(self, data):
        self.data = data

    def add(self, other):
        """Return the sum."""
        ### BEGIN SOLUTION
        return Number(self.data + other.data)
        ### END SOLUTION

    def neg(self):
        """Return the opposite."""
        ### BEGIN SOLUTION signs
        return Number(-self.data)
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-add", "grade": true, "points": 2}
check("add")

# %% [markdown]
# ## Products
#
# Predict: what is 2 · 3?

# %%
a, b = Number(2), Number(3)
print(a.data * b.data)

# %% nbgrader={"grade_id": "mul", "solution": true}
@method(Number)
def mul(self, other):
    """Return the product."""
    ### BEGIN SOLUTION
    return Number(self.data * other.data)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-mul", "grade": true, "points": 1}
check("mul")

# %% nbgrader={"grade_id": "norm", "solution": true}
def norm(values):
    """Return the Euclidean norm of a list of floats."""
    total = 0.0
    ### BEGIN SOLUTION signs
    for value in values:
        total += value**2
    ### END SOLUTION
    return math.sqrt(total)


# %% nbgrader={"grade_id": "check-signs", "grade": true, "points": 1}
check("signs")
'''

PARTS = """\
[add]
title = "Addition"
hints = ["look", "look again", "both numbers"]

[mul]
title = "Multiplication"
needs = ["add"]
hints = ["look", "look again", "both numbers"]

[signs]
title = "Signs"
needs = ["add", "mul"]
hints = ["look", "look again", "both signs"]
"""

SHORT = '''\
# %% nbgrader={"grade_id": "half", "solution": true}
def half(x):
    """Return half of x."""
    ### BEGIN SOLUTION
    return x / 2
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-half", "grade": true, "points": 3}
check("half")
'''

SHORT_PARTS = '[half]\ntitle = "Half"\nhints = ["a", "b", "c"]\n'


class Course:
    """A repository to be: write files, then load it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "autograder" / "checks").mkdir(parents=True)
        self.lesson("phase1_foundations/numbers", HEADER.format(number=1, title="Numbers", needs="[]") + LESSON, PARTS)
        self.lesson(
            "phase2_llm_projects/halves",
            HEADER.format(number=2, title="Halves", needs="[numbers]") + SHORT,
            SHORT_PARTS,
        )

    def lesson(self, place: str, source: str, parts: str) -> None:
        """Write one exercise."""
        folder = self.root / "solutions" / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "exercise.py").write_text(source, encoding="utf-8")
        (folder / "parts.toml").write_text(parts, encoding="utf-8")

    def change(self, old: str, new: str, file: str = "exercise.py", place: str = "phase1_foundations/numbers") -> None:
        """Replace text in a file of an exercise; it must be there."""
        path = self.root / "solutions" / place / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def load(self) -> Curriculum:
        """Read the course as it is now."""
        return load(self.root)

    @property
    def exercise(self) -> Exercise:
        """The first exercise, read anew."""
        return self.load().exercise("numbers")


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A repository with two exercises."""
    return Course(tmp_path / "repo")


@pytest.fixture(scope="session")
def exercise(tmp_path_factory: pytest.TempPathFactory) -> Exercise:
    """The first exercise of a course that nobody changes."""
    return Course(tmp_path_factory.mktemp("course") / "repo").exercise


@pytest.fixture(scope="session")
def fresh(exercise: Exercise) -> dict[str, Any]:
    """The blank notebook of the first exercise; copy it before changing it."""
    from autograder.notebook.build import build

    return build(exercise)


@pytest.fixture
def notebook_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a notebook, or any text or bytes, and return its path."""

    def write(content: Any, name: str = "submission.ipynb") -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write
