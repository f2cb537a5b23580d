"""What commands and notebooks write into the learner's log; nothing where FATHOM_LOG=off."""

from __future__ import annotations

import os
from pathlib import Path

from autograder import journal
from autograder.judge.report import Report

LOG = "FATHOM_LOG"


def enabled() -> bool:
    """Whether anything is to be logged here."""
    return os.environ.get(LOG) != "off"


def attempt(root: Path, report: Report, digest: str, source: str) -> str | None:
    """Log a verdict on the learner's own work, after it was shown; a warning where the disk refuses."""
    return journal.attempt(root, report.as_json(), digest, source).warning if enabled() else None


def aha(root: Path, text: str, exercise: str | None, part: str | None) -> tuple[journal.Aha, bool]:
    """Log an aha, unless the same words about the same exercise are logged; the entry, and whether it is new.

    Raises AhaRefused.
    """
    for entry in journal.read_all(root).entries:
        if entry.text.strip() == text.strip() and entry.exercise == exercise:
            return entry, False
    path = journal.aha(root, text, exercise, part)
    return next(entry for entry in journal.read_all(root).entries if entry.name == path.name), True
