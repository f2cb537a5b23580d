"""The pytest plugin: checks are ordinary pytest functions, and this is what `observe`, `expect` and `rng` mean.

It serves two callers. Plain `pytest autograder/checks/…` grades the learner's notebook, or another with
`--submission`. The judge's own session (`autograder.judge.session`) hands in each submission and takes records out.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from autograder.judge.grading import Check, Grading, Record, Stopped, UnjudgedCheck
from autograder.judge.report import CheckReport
from autograder.observe.client import ZygoteLost

SEED = 0
RECORDS = pytest.StashKey[list[Record]]()
GRADING = pytest.StashKey[Grading]()
RUN_SEED = pytest.StashKey[int]()
PLAIN = pytest.StashKey["Any"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--submission` and `--run-seed`, for plain pytest."""
    group = parser.getgroup("fathom")
    group.addoption("--submission", help="grade this notebook or .py instead of the learner's own; or `solutions`")
    group.addoption("--run-seed", type=int, default=SEED, help="seed of the inputs that checks draw")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RUN_SEED] = config.getoption("--run-seed", SEED)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a check that names no part."""
    for item in items:
        if is_check(item) and part_of(item) is None:
            raise pytest.UsageError(partless(item))


def partless(item: pytest.Item) -> str:
    """What is wrong with a check that names no part."""
    return f"{place(item)} has no @part(…): a check belongs to a part of its exercise"


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


class Slot:
    """Holds the recorder of the running check, so that a check can run twice with the same fixtures."""

    check: Check | None = None

    @property
    def now(self) -> Check:
        if self.check is None:
            raise RuntimeError("observe and expect work inside a running check only")
        return self.check


class Observe:
    """`observe(observation, *args, seconds=5.0, may_raise=False, **kwargs)`: see `Check.observe`."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.slot.now.observe(*args, **kwargs)


class Expect:
    """`expect(got, want, message, rtol=None, atol=None, dtype=False)`: see `Check.expect`."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        self.slot.now.expect(*args, **kwargs)


@pytest.fixture
def fathom_slot() -> Slot:
    return Slot()


@pytest.fixture
def observe(fathom_slot: Slot) -> Observe:
    return Observe(fathom_slot)


@pytest.fixture
def expect(fathom_slot: Slot) -> Expect:
    return Expect(fathom_slot)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator for a check's inputs: the same on every public run, fresh for each secret run seed."""
    seed = request.config.stash[RUN_SEED]
    return np.random.default_rng([seed, zlib.crc32(request.node.name.encode())])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a check under its grading; in plain pytest, turn the record into pytest's own outcome."""
    if not is_check(pyfuncitem):
        return None
    if GRADING in pyfuncitem.config.stash:
        pyfuncitem.config.stash[RECORDS].append(run(pyfuncitem, pyfuncitem.config.stash[GRADING]))
        return True
    try:
        record = run(pyfuncitem, plain_grading(pyfuncitem))
    except ZygoteLost as error:
        pytest.exit(str(error), returncode=2)
    if record.outcome == "passed" and record.report.message:
        pyfuncitem.warn(pytest.PytestWarning(record.report.message))
    tell(record)
    return True


def run(item: pytest.Function, grading: Grading) -> Record:
    """Run one check function, as often as the grading asks for."""
    given: dict[str, Any] = item.funcargs
    arguments = {name: given[name] for name in item._fixtureinfo.argnames}
    slot: Slot = given["fathom_slot"]
    generator = arguments.get("rng")
    start = generator.bit_generator.state if generator is not None else None

    def check(recorder: Check) -> None:
        if generator is not None:
            generator.bit_generator.state = start
        slot.check = recorder
        try:
            item.obj(**arguments)
        except (Stopped, UnjudgedCheck, ZygoteLost):
            raise
        except Exception as error:
            if not recorder.observed:
                raise
            # The reference passes this check, so what came back from the learner's code confused it.
            raise Stopped("failed", f"what came back could not be judged ({type(error).__name__}: {error})") from error

    return grading.run(sentence(item), part_of(item) or "", check)


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
