"""The pytest plugin: checks are ordinary pytest functions, and this is what `observe`, `expect` and `rng` mean.

Plain `pytest autograder/checks/…` grades the learner's notebook, or another with `--submission`. The judge's own session
(`autograder.judge.session`) only collects with pytest and calls `run` itself: the protocol around each test costs as
much again as the check.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from autograder.judge.grading import Check, Grading, Record, Stopped, UnjudgedCheck
from autograder.judge.report import CheckReport
from autograder.observe.client import ZygoteLost

SEED = 0
PLAIN = pytest.StashKey["Any"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--submission` and `--run-seed`, for plain pytest."""
    group = parser.getgroup("fathom")
    group.addoption("--submission", help="grade this notebook or .py instead of the learner's own; or `solutions`")
    group.addoption("--run-seed", type=int, default=SEED, help="seed of the inputs that checks draw")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a check that the judge could not run."""
    for item in items:
        if is_check(item) and (fault := fault_of(item)):
            raise pytest.UsageError(fault)


def fault_of(item: pytest.Item) -> str | None:
    """Why the judge could not run a check: it names no part, or asks for a fixture that is not ours."""
    if part_of(item) is None:
        return f"{place(item)} has no @part(…): a check belongs to a part of its exercise"
    known = {*OURS, *params_of(item)}
    others = [name for name in getattr(item, "fixturenames", ()) if name not in known]
    if others:
        return f"{place(item)} asks for {', '.join(others)}: a check takes {', '.join(OURS)} and its own parameters"
    return None


def place(item: pytest.Item) -> str:
    """Where a check is written: file, line and name."""
    file, line, name = item.reportinfo()
    return f"{file}:{(line or 0) + 1}: check {name}"


def is_check(item: pytest.Item) -> bool:
    """Whether an item is one of our checks: it lives below autograder/checks."""
    return item.path.parent.parent.name == "checks" and item.path.parent.parent.parent.name == "autograder"


def part_of(item: pytest.Item) -> str | None:
    """The part an item's check belongs to."""
    return getattr(getattr(item, "function", None), "__fathom_part__", None)


def exercise_of(item: pytest.Item) -> str:
    """The exercise an item's file grades."""
    return item.path.stem.removeprefix("test_")


@pytest.fixture
def observe() -> None:
    """`observe(observation, *args, seconds=5.0, may_raise=False, **kwargs)`: see `Check.observe`."""


@pytest.fixture
def expect() -> None:
    """`expect(got, want, message, *, rtol=None, atol=None, dtype=False)`: see `Check.expect`."""


@pytest.fixture
def rng() -> None:
    """A generator for a check's inputs: the same on every public run, fresh for each secret run seed."""


OURS = ("observe", "expect", "rng")  # pytest resolves these names; `run` makes what they stand for


def params_of(item: pytest.Item) -> Mapping[str, Any]:
    """The values of `pytest.mark.parametrize` for this item."""
    return item.callspec.params if hasattr(item, "callspec") else {}


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a check of plain pytest, and turn its record into pytest's own outcome."""
    if not is_check(pyfuncitem):
        return None
    try:
        record = run(pyfuncitem, plain_grading(pyfuncitem), pyfuncitem.config.getoption("--run-seed"))
    except ZygoteLost as error:
        pytest.exit(str(error), returncode=2)
    if record.outcome == "passed" and record.report.message:
        pyfuncitem.warn(pytest.PytestWarning(record.report.message))
    tell(record)
    return True


def run(item: pytest.Function, grading: Grading, seed: int) -> Record:
    """Run one check function, as often as the grading asks for."""

    def check(recorder: Check) -> None:
        ours = {"observe": recorder.observe, "expect": recorder.expect, "rng": generator(item, seed)}
        given = {**ours, **params_of(item)}
        try:
            item.obj(**{name: given[name] for name in item._fixtureinfo.argnames})
        except (Stopped, UnjudgedCheck, ZygoteLost):
            raise
        except Exception as error:
            if not recorder.observed:
                raise
            # The reference passes this check, so what came back from the learner's code confused it.
            raise Stopped("failed", f"what came back could not be judged ({type(error).__name__}: {error})") from error

    return grading.run(sentence(item), part_of(item) or "", check)


def generator(item: pytest.Item, seed: int) -> np.random.Generator:
    """The stream of a check's inputs."""
    return np.random.default_rng([seed, zlib.crc32(item.name.encode())])


def sentence(item: pytest.Item) -> str:
    """A check's name, as the sentence it is."""
    return item.name.removeprefix("test_").replace("_", " ")


def plain_grading(item: pytest.Function) -> Any:
    """The grading of plain pytest, made once per exercise and closed with the session."""
    from autograder.judge import plain

    session = item.config.stash.setdefault(PLAIN, None) or plain.Plain(item.config)
    item.config.stash[PLAIN] = session
    return session.grading(exercise_of(item), part_of(item) or "", item)


def pytest_sessionfinish(session: pytest.Session) -> None:
    plain = session.config.stash.get(PLAIN, None)
    if plain is not None:
        plain.close()


def tell(record: Record) -> None:
    """Say a record in pytest's words."""
    report = record.report
    if report.outcome == "not_started":
        pytest.skip(f"not started: {report.message}")
    if report.outcome != "passed":
        pytest.fail("\n".join(lines(report)), pytrace=False)


def lines(report: CheckReport) -> Iterator[str]:
    """A failing check in a few lines."""
    yield f"{report.outcome.replace('_', ' ')}: {report.name}"
    if report.got or report.want:
        yield f"  got     {report.got}"
        yield f"  wanted  {report.want}"
    if report.message:
        yield f"  {report.message}"
    if report.where:
        yield f"  at {report.where}"
