"""What was tried, understood and when: the attempts log, the aha entries, and what follows from them.

`event` is a line of the log, `log` the file, `reading` and `clock` put its lines in order, `ahas` the Markdown entries,
`record` what commands write; `story`, `activity`, `calendar` and `progress` are pure functions over events. Commands
need only the names below.
"""

from autograder.journal.activity import PLAN
from autograder.journal.ahas import Aha, AhaRefused, Ahas, read_all
from autograder.journal.log import Broken, Log, append
from autograder.journal.progress import Standing, Work
from autograder.journal.reading import read
from autograder.journal.record import Hint, Recorded, aha, attempt, hint, session, standing

__all__ = [
    "PLAN",
    "Aha",
    "AhaRefused",
    "Ahas",
    "Broken",
    "Hint",
    "Log",
    "Recorded",
    "Standing",
    "Work",
    "aha",
    "append",
    "attempt",
    "hint",
    "read",
    "read_all",
    "session",
    "standing",
]
