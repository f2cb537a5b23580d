"""The gate can fail: whatever is wrong with an exercise becomes a finding that says so, and a sound one has none."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

COURSE = Path(__file__).parents[1] / "course"
FOLDER = Path("solutions", "phase1_foundations", "tally")
CHECKS = Path("autograder", "checks", "phase1_foundations", "test_tally.py")

MORE_BUGS = """
[[bug.also]]
find = "steps = 0"
replace = "steps = 3 - 2"

[[bug]]
id = "begins-late"
part = "halvings"
misconception = "The first round is over before it begins."
symptom = "One too many."
find = "steps = 0"
replace = "steps = 2 - 1"
question = "When is the first round over?"

[[bug]]
id = "fits-nowhere"
part = "halvings"
misconception = "None."
symptom = "None."
find = "steps = 7"
replace = "steps = 8"
question = "Where is that?"

[[bug]]
id = "of-no-part"
part = "quarters"
misconception = "None."
symptom = "None."
find = "steps = 0"
replace = "steps = 3"
question = "Of which part is that?"
"""
MORE_VARIANTS = '''
[[variant]]
id = "always-two"
note = "Wrong."
code = """
def halvings(n):
    return 2
"""

[[other_words]]
id = "right-after-all"
bug = "exclusive"
code = """
def running(values):
    return torch.stack([values[: i + 1].sum() for i in range(len(values))])
"""

[[other_words]]
id = "something-else"
bug = "exclusive"
code = """
def running(values):
    return 7 * values
"""
'''
MORE_LESSON = """
# %% nbgrader={"grade_id": "twice", "solution": true}
def twice(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-twice", "grade": true, "points": 1}
check("twice")

# %%
1 / 0
"""
MORE_CHECKS = """

@observation
def doubled(learner, x):
    return learner.twice(x)


@part("twice")
def test_twice_is_three_times(observe, expect):
    expect(observe(doubled, 2.0), 6.0, "Is it?")


@part("ghost")
def test_of_nothing(observe, expect):
    expect(observe(doubled, 2.0), 4.0, "Whose is this?")
"""

EDITS = [  # file, what is replaced (nothing: the text goes to the end), by what
    (FOLDER / "bugs.toml", 'replace = "n = (n + 1) // 2"', 'replace = "n = n // 2"'),
    (FOLDER / "bugs.toml", 'question = "And before anything came?"\neffect = "crash"', 'question = "And before?"'),
    (FOLDER / "bugs.toml", '"Does entry i hold value i?"', '"Is sums.append(total) in its place?"'),
    (FOLDER / "bugs.toml", "", MORE_BUGS),
    (FOLDER / "variants.toml", "", MORE_VARIANTS),
    (FOLDER / "parts.toml", '"Sum over count."', '"Say self.total / self.count if there are any."'),
    (FOLDER / "parts.toml", "", '[twice]\ntitle = "Twice"\nhints = ["Once.", "Again.", "Both."]\n'),
    (FOLDER / "exercise.py", "", MORE_LESSON),
    (CHECKS, "", MORE_CHECKS),
]

FINDINGS = {
    "a bug that is none": r"rounds-up must fail part halvings, which says passed",
    "an effect that is not said": r"mean-of-nothing says crashed; declare effect = 'crash'",
    "two bugs alike": r"begins-late is named starts-at-one; add a check that tells begins-late from starts-at-one",
    "a slip like its bug": r"starts-at-one/1 does in part halvings what starts-at-one does",
    "a bug that fits nowhere": r"'fits-nowhere' has a `find` that occurs 0 times",
    "a bug of no part": r"bug of-no-part is declared for part 'quarters', which does not exist",
    "a variant that is wrong": r"variant always-two must pass, but part halvings is failed",
    "other words that are right": r"right-after-all must fail part running, which says passed",
    "other words for something else": r"something-else is not named; its values are not those",
    "a reference that fails": r"solutions must pass, but part twice is failed .*got 4, wanted 6",
    "a part without bugs": r"part twice has no bug",
    "a part with one check": r"part twice has 1 checks; at least 2",
    "checks of no part": r"checks are declared for 'ghost'",
    "a hint that is the answer": r"hint 1 of part mean gives the code .* away",
    "a question that is the answer": r"the question of bug exclusive gives the code .* away",
    "a stray file": r"notes\.txt is read by nothing",
    "a notebook of yesterday": r"01_tally\.ipynb: cell .*; run `fathom update tally`",
    "a notebook that does not run": r"cell .* of the solved notebook ends in ZeroDivisionError: division by zero",
}


@pytest.fixture(scope="module")
def family(made: Any) -> Iterator[Any]:
    kin = made.family()
    yield kin
    kin.end()


@pytest.fixture(scope="module")
def course(made: Any, family: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The command line in a copy of the sample course, its notebook built."""
    root = tmp_path_factory.mktemp("gate") / "course"
    shutil.copytree(COURSE, root, ignore=shutil.ignore_patterns(".fathom", "__pycache__"))
    fathom = made.fathom(root, family)
    assert fathom("build", "tally").code == 0
    return fathom


@pytest.fixture(scope="module")
def sound(course: Any) -> Any:
    return course("verify", "--json")


@pytest.fixture(scope="module")
def findings(course: Any, sound: Any) -> list[str]:
    """What is found in the same course, once everything is wrong with it."""
    for path, old, new in EDITS:
        text = (course.root / path).read_text(encoding="utf-8")
        assert not old or text.count(old) == 1, old
        (course.root / path).write_text(text.replace(old, new) if old else text + new, encoding="utf-8")
    (course.root / FOLDER / "notes.txt").write_text("to do", encoding="utf-8")
    said = course("verify", "--json")
    assert said.code == 1, said.err
    return said.document["exercises"][0]["findings"]


def test_a_sound_exercise_has_none(sound: Any) -> None:
    assert sound.code == 0, sound.err
    (proof,) = sound.document["exercises"]
    assert proof["findings"] == []
    assert proof["bugs"] == proof["rejected"] == proof["named_first"] == 8


@pytest.mark.parametrize("what", FINDINGS)
def test_what_is_wrong_is_found(findings: list[str], what: str) -> None:
    assert any(re.search(FINDINGS[what], each, re.DOTALL) for each in findings), "\n".join(findings)
