"""`@method(Value)`: a method taught in a cell of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def method(owner: type) -> Callable[[Function], Function]:
    """Decorate a function so that it becomes a method of `owner`."""

    def attach(function: Function) -> Function:
        setattr(owner, function.__name__, function)
        return function

    return attach
