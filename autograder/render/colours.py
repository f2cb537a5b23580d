"""The colours of every figure and verdict: each reads on white, on black and in print."""

from __future__ import annotations

from typing import NamedTuple


class Colours(NamedTuple):
    """Hex colours; the first four are the ones that lessons draw with, and none says anything by hue alone."""

    INK: str = "#7a7a7a"  # text, axes and data
    BLUE: str = "#3b82c4"
    ORANGE: str = "#d9622b"
    GREEN: str = "#2e9e73"
    PURPLE: str = "#9a6bc9"
    GOLD: str = "#b8860b"
    RED: str = "#d1495b"


COLOURS = Colours()
