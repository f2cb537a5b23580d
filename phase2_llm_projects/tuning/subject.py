"""What both kinds of model can do, ours and those of Hugging Face."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor


class Subject(Protocol):
    """A causal model with adapters in it, and its tokenizer."""

    name: str
    model: Any
    end: int
    pad: int
    context: int
    rate: float  # the highest, if nobody asks for another
    note: str  # a word on how it was loaded, or ""

    def prompt(self, text: str) -> list[int]:
        """The tokens of a request."""

    def encode(self, text: str) -> list[int]:
        """The tokens of a text."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""

    def old(self) -> list[int]:
        """Tokens of a held-out text of the old task."""

    def logits(self, idx: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""

    def write(self, prompt: list[int], most: int) -> list[int]:
        """The most probable continuation, up to its end, at most so many tokens."""

    def without(self) -> AbstractContextManager[object]:
        """While in it, the model is the one that it was."""

    def save(self, folder: Path) -> str:
        """Write the adapters; returns the file's name."""

    def singular_values(self) -> dict[str, list[float]]:
        """Of some adapters' updates, by name."""
