"""Authors' mistakes: a check that cannot travel, cannot fail or belongs nowhere is refused, by line and name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.judge import observation, part
from autograder.judge.compare import raises
from autograder.judge.grading import Check, Grading, Stopped, UnjudgedCheck
from autograder.judge.observation import BadObservation, Observation
from autograder.observe.client import Answer, ZygoteLost

LIMIT = 3
CHECKS = Path("autograder", "checks", "phase1_foundations", "test_tally.py")


def defined(source: str, tmp_path: Path) -> Callable[..., Any]:
    """The last function of a source, as an author's file would define it."""
    file = tmp_path / "test_own.py"
    file.write_text(source, encoding="utf-8")
    scope: dict[str, Any] = {"__name__": "own", "LIMIT": LIMIT}
    exec(compile(source, str(file), "exec"), scope)
    return [value for value in scope.values() if callable(value)][-1]  # type: ignore[no-any-return]


REFUSED = {
    "a-global": (
        "def look(learner):\n    return learner.f(\n        LIMIT)\n",
        r"test_own.py:1: .*look uses 'LIMIT' .line 3.",
    ),
    "a-module": ("def look(learner):\n    return json.dumps(learner.f())\n", r"uses 'json' \(line 2\)"),
    "a-global-in-a-lambda": ("def look(learner):\n    return (lambda: LIMIT)()\n", "uses 'LIMIT'"),
    "a-global-in-a-class": ("def look(learner):\n    class A:\n        x = LIMIT\n    return A.x\n", "uses 'LIMIT'"),
    "a-global-that-is-set": ("def look(learner):\n    global kept\n    kept = 1\n", "uses 'kept'"),
    "a-closure": (
        "def outer():\n    inner = 1\n    def look(learner):\n        return inner\n    return look\nlook = outer()\n",
        r"test_own.py:3: .*look closes over inner; pass it as an argument",
    ),
    "not-at-the-top": (
        "def outer():\n    def look(learner):\n        return 1\n    return look\nlook = outer()\n",
        "not at the top level",
    ),
    "a-default-that-is-computed": (
        "def look(learner, x=[1]):\n    return x\n",
        "has a default that is not a plain constant",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_observation_that_leans_on_what_stays_behind_is_refused(name: str, tmp_path: Path) -> None:
    source, words = REFUSED[name]
    with pytest.raises(BadObservation, match=words):
        observation(defined(source, tmp_path))  # type: ignore[arg-type]


def test_an_observation_may_use_what_is_there(tmp_path: Path) -> None:
    source = """
def look(learner, n, *, scale=2.0, name="x"):
    class Bounded(nn.Module):
        size = n

        def forward(self, x):
            return F.relu(x) * self.size
    try:
        return [probe.drain(range(n), 3), math.pi, np.ones(n), torch.ones(n), Bounded(), print]
    except (ValueError, KeyError) as error:
        return sorted(str(error))
"""
    found = observation(defined(source, tmp_path))  # type: ignore[arg-type]
    assert found.name == "look"
    assert found.source.startswith("def look(learner, n")


def check_of(*replies: Answer) -> Check:
    """A check whose observations get these answers."""

    class Scripted(Grading):
        def __init__(self) -> None:
            super().__init__(None, [], {}, {}, {"halvings": "halvings", "Tally.add": "add"})  # type: ignore[arg-type]
            self.replies = list(replies)

        def ask(self, *_: Any) -> Answer:
            return self.replies.pop(0)

    return Check(Scripted())


LOOK = Observation("look", "file", 1)


def test_a_check_that_looks_and_does_not_judge_is_refused() -> None:
    check = check_of(Answer("value", 1), Answer("value", 2))
    with pytest.raises(UnjudgedCheck, match="ends with an `expect` after its last `observe`"):
        check.close()
    check.expect(check.observe(LOOK), 1, "one")
    check.close()
    check.observe(LOOK)
    with pytest.raises(UnjudgedCheck):
        check.close()


def test_an_exception_counts_only_where_the_check_says_so() -> None:
    from autograder.observe.wire import Raised

    raised = Answer("raised", raised=Raised("Odd", "said", "", ("ValueError", "Exception")))
    with pytest.raises(Stopped, match="Odd: said") as stopped:
        check_of(raised).observe(LOOK)
    assert stopped.value.outcome == "crashed"
    check = check_of(raised, raised)
    check.expect(check.observe(LOOK, may_raise=True), raises("ValueError"), "its base counts")
    assert check.record("name", "part").outcome == "passed"
    with pytest.raises(Stopped, match="Odd: said"):
        check.expect(check.observe(LOOK, may_raise=True), 3, "a value was wanted")


def test_an_unwritten_stub_of_another_part_is_waited_for() -> None:
    from autograder.observe.wire import Raised

    for function, words in (
        ("Tally.add", "waits for add"),
        ("halvings", "`halvings` still raises NotImplementedError"),
    ):
        check = check_of(Answer("raised", raised=Raised("NotImplementedError", ""), function=function))
        with pytest.raises(Stopped) as stopped:
            check.observe(LOOK, may_raise=True)
        assert stopped.value.outcome == "not_started"
        assert check.stopped("name", "halvings", stopped.value).report.message == words
    helper = check_of(Answer("raised", raised=Raised("NotImplementedError", ""), function="helper"))
    with pytest.raises(Stopped) as stopped:
        helper.observe(LOOK)
    assert stopped.value.outcome == "crashed"


def test_a_lost_zygote_is_nobodys_verdict() -> None:
    class Lost(Grading):
        def ask(self, *_: Any) -> Answer:
            raise ZygoteLost

    check = Check(Lost(None, [], {}, {}, {}))  # type: ignore[arg-type]
    with pytest.raises(ZygoteLost):
        check.observe(LOOK)


def test_part_marks_a_check() -> None:
    @part("add")
    def test_something(observe: Any) -> None: ...

    assert test_something.__fathom_part__ == "add"  # type: ignore[attr-defined]


def edited(course: Path, *changes: tuple[str, str]) -> int:
    """Change the course's checks; returns the line of the last one."""
    file = course / CHECKS
    text = file.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    file.write_text(text, encoding="utf-8")
    return 1 + text.splitlines().index("def test_one_needs_no_halving(observe, expect):")


LAST = "    expect(observe(halvings, 1, seconds=0.5), 0,"
PARTLESS = ('@part("halvings")\ndef test_one_needs', "def test_one_needs")


def test_mistakes_in_checks_are_told_by_line_and_name(course: Path, family: Any, tmp_path: Path) -> None:
    changes = {
        "leans": [("def halvings(learner, n):\n    return", "def halvings(learner, n):\n    return LIMIT or")],
        "partless": [PARTLESS],
        "borrows": [("def test_halvings_are_the_logarithm(", "def test_halvings_are_the_logarithm(tmp_path, ")],
        "breaks": [(LAST, "    1 / 0\n" + LAST), ("    n = int(rng", "    1 / 0\n    n = int(rng")],
        "skips": [
            ("import torch\n", "import pytest, torch\n"),
            ("    n = int(rng", "    pytest.skip('no')\n    n = int(rng"),
        ],
        "unjudged": [(LAST, "    max(observe(halvings, 1, seconds=9.0), 0,"), ('"It is there already."', "key=str")],
    }
    lines = {}
    for name, edits in changes.items():
        shutil.copytree(course, tmp_path / name)
        lines[name] = edited(tmp_path / name, *edits)
    (tmp_path / "unjudged" / "needs-workers").touch()
    line = [sys.executable, str(Path(__file__).parent / "refused.py"), *(str(tmp_path / name) for name in changes)]
    done = subprocess.run(line, env=family.environment, capture_output=True, text=True, timeout=120)
    said = dict(zip(changes, map(json.loads, done.stdout.splitlines()), strict=True))

    leans = (tmp_path / "leans" / CHECKS).read_text().splitlines().index("def halvings(learner, n):") + 1
    assert f"test_tally.py:{leans - 1}: observation halvings uses 'LIMIT' (line {leans + 1})" in said["leans"]
    own = "check test_one_needs_no_halving"
    assert f"test_tally.py:{lines['partless']}: {own} has no @part(…)" in said["partless"]
    first = "check test_halvings_are_the_logarithm"
    assert f"{first} asks for tmp_path: a check takes observe, expect, rng" in said["borrows"]
    assert f"{first} broke:\n" in said["breaks"] and "ZeroDivisionError" in said["breaks"]
    assert f"{first} broke:\n" in said["skips"] and "Skipped: no" in said["skips"]
    words = "a check ends with an `expect` after its last `observe`"
    assert said["unjudged"].endswith(f"test_tally.py:{lines['unjudged'] - 1}: {own}: {words}")


def test_plain_pytest_refuses_a_check_without_a_part(fathom: Any, made: Any, own_course: Path) -> None:
    edited(own_course, PARTLESS, ("import torch\n", ""))
    said = made.fathom(own_course, fathom.family).pytest()
    assert said.code == 4
    assert "check test_one_needs_no_halving has no @part(…)" in said.err
