"""A tokenizer of frequent words, with single bytes for everything else: any text goes in and comes out unchanged."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

BYTES = 256
END = 256  # of an answer
ASK = 257  # between a request and its answer
FIRST = 258  # of the words
PIECE = re.compile(r" ?[A-Za-z]+|\n *|\d| ?[^\sA-Za-z\d]{1,3}|\s", re.ASCII)


@dataclass(frozen=True)
class Pieces:
    """The words, the most frequent first; token FIRST + n is the n-th."""

    words: tuple[str, ...]
    number: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", {word: FIRST + n for n, word in enumerate(self.words)})

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return FIRST + len(self.words)

    def encode(self, text: str) -> list[int]:
        """Text as tokens."""
        found: list[int] = []
        for piece in PIECE.findall(text):
            known = self.number.get(piece)
            found += [known] if known is not None else piece.encode("utf-8", errors="surrogateescape")
        return found

    def decode(self, tokens: Iterable[int]) -> str:
        """Tokens as text; the two marks are left out."""
        parts = (bytes([t]) if t < BYTES else self.words[t - FIRST].encode() for t in tokens if t not in (END, ASK))
        return b"".join(parts).decode("utf-8", errors="replace")


def learn(text: str, most: int = 1200, least: int = 4) -> Pieces:
    """The words that occur at least `least` times, at most `most` of them; equally frequent ones by the alphabet."""
    counts = Counter(piece for piece in PIECE.findall(text) if len(piece.encode()) > 1)
    ranked = sorted((word for word, n in counts.items() if n >= least), key=lambda word: (-counts[word], word))
    return Pieces(tuple(ranked[:most]))
