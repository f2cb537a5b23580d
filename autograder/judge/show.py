"""Values in a few words, safe to print: one line, bounded, no escape codes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

LENGTH = 300
SMALL = 16  # arrays up to this size are written out


@dataclass(frozen=True)
class Mismatch:
    """How two values differ, in short texts of one line each; `where` is empty for the value as a whole."""

    got: str
    want: str
    where: str = ""


def join(path: str, told: str) -> str:
    """A path and what there is to say about it."""
    return f"{path}: {told}" if path and told else path or told


def clean(text: str, length: int = LENGTH) -> str:
    """One printable line: control characters and the like appear as escapes, what is too long is cut."""
    if len(text) <= length and text.isprintable():
        return text
    cut = text[: length + 1]
    line = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in cut)
    return line if len(line) <= length and len(text) <= length else line[: length - 1] + "…"


def count(number: int, noun: str) -> str:
    """3 items, 1 item."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def number(value: Any, digits: int = 6) -> str:
    """A number with `digits` significant digits; whole numbers in full while they are readable."""
    if isinstance(value, int):
        return str(value) if value.bit_length() < 128 else f"a whole number of {value.bit_length()} bits"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def pair(got: Any, want: Any) -> tuple[str, str]:
    """Two different numbers, with as many digits as it takes to tell them apart."""
    for digits in (6, 9, 17):
        texts = number(got, digits), number(want, digits)
        if texts[0] != texts[1]:
            break
    return texts


def array(values: Any) -> str:
    """A small array on one line."""
    style = {"float_kind": "{:.6g}".format, "complex_kind": "{:.6g}".format, "int": str, "bool": str}
    text = np.array2string(values, separator=", ", max_line_width=10**6, threshold=SMALL, formatter=style)  # type: ignore[arg-type]
    return " ".join(text.split())
