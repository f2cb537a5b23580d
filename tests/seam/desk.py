"""A warm judge for tests: requests come in as lines of JSON, reports go out as lines of JSON."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from autograder import curriculum
from autograder.bugs.diagnosis import Diagnostician
from autograder.judge.examine import Request
from autograder.judge.session import Judge, with_judge
from autograder.notebook import percent

COURSE = curriculum.load(Path(sys.argv[1]))
EXERCISE = COURSE.exercises[0]


def serve(judge: Judge) -> None:
    """Answer until the input ends."""
    doctor = Diagnostician(judge)
    for line in sys.stdin:
        asked = json.loads(line)
        cells = percent.cells(asked["source"])
        request = Request(EXERCISE, "desk", cells, tuple(asked["parts"]) or None)
        try:
            answer = asdict(doctor.one(request).report)
        except Exception as error:
            answer = {"broken": repr(error)}
        print(json.dumps(answer), flush=True)


with_judge(COURSE, [EXERCISE], serve)
