"""One process or several: who we are, and how gradients and random states are shared."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Group:
    """This process among its peers; torchrun says in the environment which it is."""

    rank: int
    size: int
    local: int

    @property
    def first(self) -> bool:
        """Whether this one speaks for all."""
        return self.rank == 0

    def join(self) -> None:
        """Find the others."""
        if self.size > 1:
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")

    def average_gradients(self, model: nn.Module) -> None:
        """Make every process's gradients their mean over processes: one exchange for all of them."""
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def average(self, value: Tensor) -> Tensor:
        """The mean of a tensor over processes."""
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value)
            value /= self.size
        return value

    def gathered(self, value: Tensor) -> list[Tensor]:
        """Every process's tensor, in the order of ranks."""
        if self.size == 1:
            return [value]
        found = [torch.empty_like(value) for _ in range(self.size)]
        dist.all_gather(found, value)
        return found

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            dist.barrier()

    def end(self) -> None:
        """Part ways."""
        if self.size > 1:
            dist.destroy_process_group()


def here() -> Group:
    """This process, as torchrun says; alone without it."""
    found = (
        int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
    )
    return Group(*found)
