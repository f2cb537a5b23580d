"""What observations may call besides torch and NumPy: weights in, gradients out, training steps, bounded iteration."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def load(module: nn.Module, weights: Mapping[str, Any]) -> nn.Module:
    """Set every parameter and buffer of `module` by name, in eval mode's place nothing else; returns the module.

    Raises KeyError naming what is missing on either side, ValueError naming a shape that differs.
    """
    own = {**dict(module.named_parameters(remove_duplicate=False)), **dict(module.named_buffers())}
    absent = sorted(set(weights) - set(own))
    if absent:
        raise KeyError(f"the module has no parameter called {', '.join(absent)}; it has {', '.join(sorted(own))}")
    with torch.no_grad():
        for name, value in weights.items():
            value = torch.as_tensor(value)
            if own[name].shape != value.shape:
                raise ValueError(f"{name} has shape {tuple(own[name].shape)}; the stub says {tuple(value.shape)}")
            own[name].copy_(value)
    return module


def shapes(module: nn.Module) -> dict[str, list[int]]:
    """Parameter names and shapes, each tied parameter once."""
    return {name: list(parameter.shape) for name, parameter in module.named_parameters()}


def parameter_count(module: nn.Module) -> int:
    """Number of trainable scalars, tied ones once."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def gradients(loss: Tensor, inputs: Iterable[Tensor]) -> list[Tensor | None]:
    """Gradients of a scalar loss with respect to each input; None where it does not depend on it."""
    return list(torch.autograd.grad(loss, list(inputs), allow_unused=True))


def parameter_gradients(module: nn.Module, loss: Tensor) -> dict[str, Tensor | None]:
    """Backpropagate a scalar loss and return every parameter's gradient by name (None where none arrived)."""
    module.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    return {name: parameter.grad for name, parameter in module.named_parameters()}


def train(step: Callable[[int], Tensor], steps: int) -> list[float]:
    """Call `step(i)` for i = 0 … steps − 1 and return the losses as floats."""
    return [float(step(i)) for i in range(steps)]


def drain(items: Iterable[Any], limit: int) -> list[Any]:
    """At most `limit` items of an iterable, so that one without an end ends."""
    return list(itertools.islice(iter(items), limit))


class Bounded:
    """A function that may be called `limit` times and then raises, so that a loop without an end ends."""

    def __init__(self, function: Callable[..., Any], limit: int) -> None:
        self.function, self.limit, self.calls = function, limit, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls > self.limit:
            raise RuntimeError(f"called more than {self.limit} times")
        return self.function(*args, **kwargs)
