"""What can be wrong with a log: errors that end the program, and named warnings that go into the report."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field


class BadLog(Exception):
    """A log, or an option, that nothing can be done with; says what was attempted, on what, and what to do about it."""


@dataclass
class Warnings:
    """Named warnings: each is printed when it is given, once, and kept for the report."""

    given: list[tuple[str, str]] = field(default_factory=list)

    def warn(self, name: str, text: str) -> None:
        """Give a warning by its name."""
        if (name, text) not in self.given:
            self.given.append((name, text))
            print(f"warning [{name}]: {text}", file=sys.stderr)
