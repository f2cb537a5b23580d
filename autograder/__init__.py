"""Fathom: deep learning from tutorials to intuition. What notebooks import lives here; the rest is in the modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autograder.method import method

if TYPE_CHECKING:
    from autograder.kernel.carrying import carry
    from autograder.kernel.checking import check
    from autograder.kernel.colours import palette
    from autograder.kernel.looking import look
    from autograder.kernel.noting import aha, hint

__all__ = ["aha", "carry", "check", "hint", "look", "method", "palette"]

_HOMES = {
    "aha": "noting",
    "carry": "carrying",
    "check": "checking",
    "hint": "noting",
    "look": "looking",
    "palette": "colours",
}


def __getattr__(name: str) -> Any:
    """Import what a notebook asks for; with `check` the judge warms up, so that no first verdict waits for it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'autograder' has no attribute {name!r}")
    from importlib import import_module

    home = import_module(f"autograder.kernel.{_HOMES[name]}")
    if name == "check":
        home.begin()
    return getattr(home, name)
