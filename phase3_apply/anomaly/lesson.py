"""The lesson's functions for the program: the learner's own where they pass, the reference elsewhere."""

from __future__ import annotations

import types
from pathlib import Path

from phase3_apply.anomaly.problems import BadLog

EXERCISE = "log_anomaly"


def lesson() -> types.ModuleType:
    """The exercise as a module; prints whose code it is. Raises BadLog where there is nobody's."""
    from autograder.curriculum import CurriculumError
    from autograder.kernel.carrying import carried
    from autograder.kernel.desk import Desk
    from autograder.kernel.told import Told

    try:
        return carried(Desk.here(), EXERCISE)
    except (LookupError, CurriculumError, Told) as error:
        raise BadLog(str(error)) from None


def here(place: str) -> Path:
    """A path as it was typed, with ~ for the home folder."""
    return Path(place).expanduser()
