"""A warm judge for tests: requests come in as lines of JSON, reports go out as lines of JSON."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from autograder import curriculum
from autograder.bugs.diagnosis import Diagnostician
from autograder.judge.examine import Request
from autograder.judge.session import Judge, with_judge
from autograder.notebook import percent
from autograder.watching import Verdict, Watcher

COURSE = curriculum.load(Path(sys.argv[1]))
EXERCISE = COURSE.exercises[0]


def serve(judge: Judge) -> None:
    """Answer until the input ends."""
    doctor = Diagnostician(judge)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if "saved" in asked:
                answer = [verdict.report.as_json() for verdict in watched(judge, asked["saved"])]
            else:
                cells = percent.cells(asked["source"])
                request = Request(EXERCISE, "desk", cells, tuple(asked["parts"]) or None)
                answer = asdict(doctor.one(request).report)
        except Exception as error:
            answer = {"broken": repr(error)}
        print(json.dumps(answer), flush=True)


def watched(judge: Judge, notebooks: list[str]) -> Iterator[Verdict]:
    """The last verdict of a watcher on each of these notebooks, saved one after the other."""
    before = EXERCISE.notebook.read_bytes()
    watcher = Watcher(judge, [EXERCISE])
    for notebook in notebooks:
        EXERCISE.notebook.write_bytes(Path(notebook).read_bytes())
        yield list(watcher.saved(EXERCISE, time.perf_counter()))[-1]
    EXERCISE.notebook.write_bytes(before)


with_judge(COURSE, [EXERCISE], serve)
