"""Pictures of values as HTML: yours beside the target, small, without a plotting library, on any background."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence

from autograder.judge.picture import Picture
from autograder.render.colours import COLOURS

Rows = Sequence[Sequence[float]]
WIDTH, HEIGHT = 460, 120  # of a line chart
SIDE = 150  # of the longer side of a heat map
DOTS = 40  # up to so many numbers get a mark each


def beside(picture: Picture) -> str:
    """Got and wanted as HTML: lines over one axis for one row of numbers, heat maps on one scale for more."""
    got, want = picture
    if len(got) == len(want) == 1:
        return chart(got[0], want[0])
    return maps(got, want)


def chart(got: Sequence[float], want: Sequence[float]) -> str:
    """Two rows of numbers over their index: wanted wide and pale, yours thin above it."""
    low, high = limits([*got, *want])
    longest = max(len(got), len(want))

    def x(index: float) -> float:
        return round(8 + index * (WIDTH - 70) / max(longest - 1, 1), 1)

    def y(value: float) -> float:
        return round(10 + (HEIGHT - 20) * (high - value) / ((high - low) or 1.0), 1)

    rows = [axis(y(max(low, min(0.0, high)))) if low <= 0 <= high else ""]
    rows += [line(want, x, y, COLOURS.GREEN, 5, 0.35), line(got, x, y, COLOURS.ORANGE, 1.6, 1.0)]
    rows += [label(WIDTH - 54, y(value) + 4, brief(value)) for value in dict.fromkeys((low, high))]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" style="width:{WIDTH}px;max-width:100%;display:block" role="img" '
        f'aria-label="your numbers and the wanted ones over their index">{"".join(rows)}</svg>'
        f"{key((COLOURS.ORANGE, 'yours'), (COLOURS.GREEN, 'wanted'))}"
    )


def line(
    values: Sequence[float],
    x: Callable[[float], float],
    y: Callable[[float], float],
    colour: str,
    width: float,
    alpha: float,
) -> str:
    """A row of numbers as a line, broken where one is not finite, with marks where there are few."""
    style = f'stroke="{colour}" stroke-width="{width}"'
    parts = []
    for piece in finite_pieces(values):
        points = " ".join(f"{x(index)},{y(value)}" for index, value in piece)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke-linejoin="round" stroke-linecap="round" {style}/>'
        )
        if len(values) <= DOTS:
            dot = f'r="{width / 2 + 1.2:.1f}" fill="{colour}"'
            parts += [f'<circle cx="{x(index)}" cy="{y(value)}" {dot}/>' for index, value in piece]
    return f'<g opacity="{alpha}">{"".join(parts)}</g>'


def finite_pieces(values: Sequence[float]) -> Iterable[list[tuple[int, float]]]:
    """Stretches of finite numbers, each with its index."""
    piece: list[tuple[int, float]] = []
    for index, value in enumerate(values):
        if math.isfinite(value):
            piece.append((index, value))
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def maps(got: Rows, want: Rows) -> str:
    """Heat maps of yours, the target, and where the shapes agree their difference, all on one scale."""
    same = len(got) == len(want) and len(got[0]) == len(want[0])
    panels = [("yours", got), ("wanted", want)]
    if same:
        panels.append(
            ("yours − wanted", [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(got, want, strict=True)])
        )
    finite = [abs(value) for _, rows in panels[:2] for row in rows for value in row if math.isfinite(value)]
    spread = max(finite, default=0.0) or 1.0
    figures = "".join(panel(title, rows, spread) for title, rows in panels)
    odd = any(not math.isfinite(value) for _, rows in panels[:2] for row in rows for value in row)
    marks = [(COLOURS.BLUE, f"−{brief(spread)}"), ("transparent", "0"), (COLOURS.ORANGE, f"+{brief(spread)}")]
    marks += [(COLOURS.PURPLE, "not finite")] if odd else []
    return f'<div style="display:flex;flex-wrap:wrap;gap:18px;align-items:flex-end">{figures}</div>{key(*marks)}'


def panel(title: str, rows: Rows, spread: float) -> str:
    """One heat map under its title; a pixel a number, scaled up by the browser without blurring."""
    high, wide = len(rows), len(rows[0])
    scale = min(SIDE / max(high, wide), 26.0)
    size = f"width:{max(wide * scale, 8):.0f}px;height:{max(high * scale, 8):.0f}px"
    image = base64.b64encode(png([[shade(value, spread) for value in row] for row in rows])).decode()
    return (
        f'<div><div style="font-size:.85em;opacity:.75">{title} <span style="opacity:.8">{high} × {wide}</span></div>'
        f'<img alt="{title}, a heat map of {high} by {wide} numbers" src="data:image/png;base64,{image}" style="{size};'
        f'image-rendering:pixelated;border:1px solid rgba(128,128,128,.5);margin:2px 0 0;max-width:none"/></div>'
    )


def shade(value: float, spread: float) -> bytes:
    """A number's colour as RGBA: blue below zero, orange above, clear at zero, purple where it is not finite."""
    if not math.isfinite(value):
        return bytes.fromhex(COLOURS.PURPLE[1:]) + b"\xff"
    strength = min(abs(value) / spread, 1.0)
    return bytes.fromhex((COLOURS.ORANGE if value > 0 else COLOURS.BLUE)[1:]) + bytes([round(255 * strength)])


def png(pixels: Sequence[Sequence[bytes]]) -> bytes:
    """An image file of RGBA pixels."""
    raw = b"".join(b"\x00" + b"".join(row) for row in pixels)
    header = struct.pack(">IIBBBBB", len(pixels[0]), len(pixels), 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(d)) + name + d + struct.pack(">I", zlib.crc32(name + d)) for name, d in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def limits(values: Sequence[float]) -> tuple[float, float]:
    """The smallest and largest finite number."""
    finite = [value for value in values if math.isfinite(value)]
    return (min(finite), max(finite)) if finite else (0.0, 0.0)


def axis(height: float) -> str:
    """A faint line at zero."""
    return f'<line x1="4" x2="{WIDTH - 60}" y1="{height}" y2="{height}" stroke="currentColor" stroke-opacity=".25"/>'


def label(x: float, y: float, text: str) -> str:
    """A number beside the chart."""
    return f'<text x="{x}" y="{y}" font-size="11" fill="currentColor" fill-opacity=".7">{text}</text>'


def key(*marks: tuple[str, str]) -> str:
    """What the colours mean."""
    swatch = "display:inline-block;width:.75em;height:.75em;border-radius:2px;border:1px solid rgba(128,128,128,.6)"
    shown = "".join(
        f'<span style="margin-right:1.1em"><span style="{swatch};background:{colour}"></span> {text}</span>'
        for colour, text in marks
    )
    return f'<div style="font-size:.8em;opacity:.8;margin-top:3px">{shown}</div>'


def brief(value: float) -> str:
    """A number in four digits."""
    return f"{value:.4g}".replace("-", "−")
