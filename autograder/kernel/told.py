"""Exceptions that end a cell with a sentence in the place of a traceback."""

from __future__ import annotations

from autograder.judge.report import PartReport


class Told(Exception):
    """Says itself; IPython and Jupyter show these lines and no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class CheckFailed(Told):
    """A part did not pass. The verdict stands above it, so this is one line."""

    def __init__(self, part: PartReport) -> None:
        from autograder.render.text import points, words

        super().__init__(f"{part.part} {words(part.outcome)}: {part.points} of {points(part.out_of)}")
        self.part = part


class NotJudged(Told):
    """There is no verdict: what was attempted, and what to do about it."""


class Interrupted(KeyboardInterrupt):
    """The learner stopped a check."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]
