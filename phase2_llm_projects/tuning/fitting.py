"""Training what may be trained, with a rate that warms up and falls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from training.progress import Meter
from training.trouble import Trouble


def fit(
    parameters: Sequence[Tensor], loss: Callable[[], Tensor], steps: int, rate: float, tokens: int, meter: Meter
) -> list[float]:
    """AdamW without decay, gradients clipped at 1; returns the losses. `tokens` go through in a step."""
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0)
    losses: list[float] = []
    every, told = max(1, steps // 20), 0
    with meter.running():
        for step in range(steps):
            now = rate * schedule(step, steps)
            for group in optimizer.param_groups:
                group["lr"] = now
            found = loss()
            optimizer.zero_grad(set_to_none=True)
            found.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            losses.append(found.item())
            if not math.isfinite(losses[-1]):
                raise Trouble(f"the loss is {losses[-1]} at step {step + 1}; try a smaller --lr than {rate:g}")
            if (step + 1) % every == 0 or step + 1 == steps:
                meter.step(step + 1, losses[-1], float(norm), now, tokens * (step + 1 - told))
                told = step + 1
    return losses


def schedule(step: int, steps: int) -> float:
    """Share of the rate: a tenth of the steps upwards, then a cosine down to a tenth."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def windows(tokens: Tensor, T: int, size: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random windows of a text and their targets, one token further on: two (size, T)."""
    at = torch.randint(len(tokens) - T, (size, 1), generator=draws) + torch.arange(T)
    return tokens[at], tokens[at + 1]
