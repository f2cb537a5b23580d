"""Authors' mistakes: a check that cannot travel, cannot fail or belongs nowhere is refused, by line and name."""

from __future__ import annotations

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


def edited(course: Path, before: str, after: str) -> None:
    """Change the course's checks."""
    file = course / CHECKS
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), encoding="utf-8")


def line_of(course: Path, text: str) -> int:
    """The line of the course's checks that begins with a text."""
    lines = (course / CHECKS).read_text(encoding="utf-8").splitlines()
    return 1 + next(number for number, line in enumerate(lines) if line.startswith(text))


def test_what_cannot_be_collected_is_told_at_once_by_line_and_name(fathom: Any, made: Any, own_course: Path) -> None:
    fathom = made.fathom(own_course, fathom.family)
    edited(own_course, "def halvings(learner, n):\n    return", "def halvings(learner, n):\n    return LIMIT or")
    said = fathom("check", "tally", "--submission", "solutions")
    assert (said.code, said.out) == (2, "")
    line = line_of(own_course, "def halvings")
    assert f"test_tally.py:{line - 1}: observation halvings uses 'LIMIT' (line {line + 1})" in said.err


def test_checks_without_a_part_or_a_judgement_are_refused_by_line_and_name(
    fathom: Any, made: Any, own_course: Path
) -> None:
    fathom = made.fathom(own_course, fathom.family)
    edited(
        own_course, "    expect(observe(halvings, 1, seconds=0.5), 0,", "    max(observe(halvings, 1, seconds=0.5), 0,"
    )
    edited(own_course, '"It is there already."', "key=str")
    said = fathom("check", "tally", "--submission", "solutions")
    assert (said.code, said.out) == (2, "")
    where = f"test_tally.py:{line_of(own_course, 'def test_one_needs_no_halving') - 1}: check test_one_needs_no_halving"
    assert f"{where}: a check ends with an `expect` after its last `observe`" in said.err
    assert "Traceback" not in said.err

    edited(own_course, '@part("halvings")\ndef test_one_needs', "def test_one_needs")
    said = fathom("check", "tally", "--submission", "solutions", "--json")
    assert (said.code, said.out) == (2, "")
    assert "check test_one_needs_no_halving has no @part(…)" in said.err


def test_a_check_that_breaks_is_told_as_such_and_is_no_verdict(fathom: Any, made: Any, own_course: Path) -> None:
    fathom = made.fathom(own_course, fathom.family)
    edited(own_course, "    expect(observe(halvings, 1,", "    1 / 0\n    expect(observe(halvings, 1,")
    said = fathom("check", "tally", "--submission", "solutions", "solutions")
    assert (said.code, said.out) == (2, "")
    assert "check test_one_needs_no_halving broke" in said.err
    assert "ZeroDivisionError" in said.err


def test_plain_pytest_refuses_a_check_without_a_part(fathom: Any, made: Any, own_course: Path) -> None:
    edited(own_course, '@part("halvings")\ndef test_one_needs', "def test_one_needs")
    said = made.fathom(own_course, fathom.family).pytest()
    assert said.code == 4
    assert "check test_one_needs_no_halving has no @part(…)" in said.err
