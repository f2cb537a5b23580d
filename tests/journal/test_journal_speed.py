"""A hundred thousand attempts, as a ratio to parsing the same lines with nothing but `json`, measured in one run."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from autograder import journal
from autograder.journal.event import encode, stamp
from autograder.journal.log import place
from autograder.practice.depth import depth_of

pytestmark = pytest.mark.benchmark  # ratios of processor time, which neighbours on the same cores would bend

PARTS = ("add", "mul", "pow", "ops", "exp_log", "tanh_relu", "backward", "gradient_check", "deep")
ATTEMPTS = 100_000


@pytest.fixture(scope="module")
def long_log(tmp_path_factory):
    """37 exercises of nine parts; outcomes and seconds change from each attempt to the next, which is the slow case."""
    chance = random.Random(3)
    root = tmp_path_factory.mktemp("long")
    at, after = time.time() - 3e7, ""
    place(root).parent.mkdir()
    with place(root).open("w", encoding="ascii") as file:
        for number in range(ATTEMPTS):
            said = tail(number * 37 // ATTEMPTS, *(chance.randrange(choices) for choices in (len(PARTS), 3, 5)))
            name, digest = f"{chance.getrandbits(64):016x}", f"{chance.getrandbits(64):016x}"
            at += chance.expovariate(1 / 300)
            head = f'{{"v":1,"id":"{name}","after":"{after}","at":"{stamp(at)}"'
            said = said.replace('"seconds":0.1', f'"seconds":{chance.uniform(0, 3):.1f}')
            file.write(f'{head},"digest":"{digest}",{said}')
            after = name
    return root


@cache
def tail(exercise: int, done: int, how: int, bug: int) -> str:
    """What an attempt says, as the log has it."""
    fails = ("failed", "crashed", "timed_out")[how]
    event = {
        "digest": "d",
        "kind": "attempt",
        "exercise": f"exercise_{exercise:02}",
        "source": "watch",
        "seconds": 0.1,
        "points": done,
        "out_of": len(PARTS),
        "parts": {
            part: "passed" if i < done else fails if i == done else "not_started" for i, part in enumerate(PARTS)
        },
        "bugs": {PARTS[done]: f"bug-{bug}"},
    }
    line = encode(event, "0", "", 0.0).decode("ascii")
    return line[line.index('"kind"') :]


def best(run: Callable[[], object], times: int = 2) -> float:
    taken = []
    for _ in range(times):
        began = time.process_time()
        run()
        taken.append(time.process_time() - began)
    return min(taken)


def beside_json(run: Callable[[], object], log: Path) -> tuple[float, float]:
    """Seconds of one of four turns, and their ratio to parsing the log's lines: in turns, for processors change speed."""

    def parse() -> int:
        with place(log).open(encoding="ascii") as lines:
            return len([json.loads(line) for line in lines])

    turns = [(best(run, 1), best(parse, 1)) for _ in range(4)]
    ours, theirs = min(turns, key=lambda pair: pair[0] / pair[1])
    return ours, ours / theirs


def test_the_map_of_a_long_log_takes_less_than_parsing_it(long_log):
    now = datetime.now(UTC)
    assert sum(work.attempts for work in journal.standing(long_log, now).works.values()) == ATTEMPTS
    seconds, ratio = beside_json(lambda: journal.standing(long_log, now), long_log)
    print(f"\nstanding of 100,000 attempts: {seconds:.3f} s of CPU, {ratio:.2f} of json.loads on every line")
    assert ratio < 0.95


def test_reading_a_long_log_takes_two_thirds_of_parsing_it(long_log):
    assert len(journal.read(long_log).events) >= ATTEMPTS
    seconds, ratio = beside_json(lambda: journal.read(long_log), long_log)
    print(f"\nreading 100,000 attempts: {seconds:.3f} s of CPU, {ratio:.2f} of json.loads on every line")
    assert ratio < 0.6


def test_depth_and_schedule_of_a_long_log_take_less_than_parsing_it(long_log):
    def depth() -> int:
        now = time.time()
        log = journal.read(long_log, now)
        return len(depth_of(log.events, now))

    assert depth() == 37
    seconds, ratio = beside_json(depth, long_log)
    print(f"\ndepth of 100,000 attempts: {seconds:.3f} s of CPU, {ratio:.2f} of json.loads on every line")
    assert ratio < 0.95


def test_an_attempt_more_costs_no_reading_of_a_long_log(long_log, report):
    assert journal.attempt(long_log, report("exercise_36", add="failed"), "new", "watch").event
    ours = best(lambda: journal.attempt(long_log, report("exercise_36", add="failed"), "new", "watch"))
    whole = best(lambda: journal.read(long_log), 1)
    print(f"\nan attempt that is no new state: {1000 * ours:.2f} ms")
    assert ours < whole / 20


def test_the_first_attempt_at_an_exercise_costs_a_search_not_a_reading(long_log, report):
    fresh = itertools.count()

    def first() -> None:
        assert journal.attempt(long_log, report(f"new_{next(fresh)}", add="failed"), "new", "watch").event

    ours, whole = best(first), best(lambda: journal.read(long_log), 1)
    print(f"\nthe first attempt at an exercise: {1000 * ours:.1f} ms")
    assert ours < whole / 3
