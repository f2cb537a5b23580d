"""Fathom: deep learning from tutorials to intuition. What notebooks import lives here; the rest is in the modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autograder.method import method

if TYPE_CHECKING:
    from autograder.kernel import aha, carry, check, hint, look

__all__ = ["aha", "carry", "check", "hint", "look", "method"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from autograder import kernel

        return getattr(kernel, name)
    raise AttributeError(f"module 'autograder' has no attribute {name!r}")
