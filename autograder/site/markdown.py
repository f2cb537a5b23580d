"""Pieces of Markdown: fences, spoilers, and the prose of a lesson as a site generator wants it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

INDENT = "    "

_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_ITEM = re.compile(r"(?P<indent> *)(?P<marker>[-*+]|\d{1,9}[.)])(?P<gap> +)(?=\S)")
_TICKS = re.compile(r"`{3,}")
_PREDICT = re.compile(r"\*\*Predict\.?\*\*[:.]?\s*")


def fence(code: str, language: str, *classes: str) -> str:
    """A fenced block that its own content cannot end; classes are for the style sheet."""
    ticks = "`" * max([3, *(len(run) + 1 for run in _TICKS.findall(code))])
    words = f"{{ .{' .'.join([language, *classes])} }}" if classes else language
    return f"{ticks}{words}\n{code.strip(chr(10))}\n{ticks}"


def indented(text: str) -> str:
    """Text four columns to the right, empty lines left empty."""
    return "\n".join(INDENT + line if line.strip() else "" for line in text.split("\n"))


def spoiler(kind: str, title: str, body: str) -> str:
    """A closed block that opens on a click; `kind` picks its colour and icon."""
    return f'??? {kind} "{_quoted(title)}"\n\n{indented(body)}'


def callout(kind: str, title: str, body: str) -> str:
    """A block that is always open."""
    return f'!!! {kind} "{_quoted(title)}"\n\n{indented(body)}'


def box(classes: str, body: str, name: str = "") -> str:
    """A div whose inside is Markdown; `name` makes it a target of links."""
    identity = f' id="{name}"' if name else ""
    return f'<div class="{classes}"{identity} markdown>\n\n{body}\n\n</div>'


def unsearchable(blocks: Iterable[str]) -> str:
    """Blocks that the site's search does not look into: a search must not show what a click was to show."""
    return "<div data-search-exclude markdown>\n\n" + "\n\n".join(blocks) + "\n\n</div>"


def strip(kind: str, words: Iterable[str]) -> str:
    """Short words in a row."""
    return box(kind, "\n".join(f"- {word}" for word in words))


def prose(text: str) -> str:
    """A notebook's Markdown for Python-Markdown: lists set off and nested by four, predictions as call-outs."""
    blocks = []
    for fenced, lines in groupby(_marked(text), key=lambda pair: pair[0]):
        block = [line for _, line in lines]
        blocks.append("\n".join(block) if fenced else _predictions(_lists(block)))
    return "\n".join(blocks).strip("\n")


def asks(text: str) -> bool:
    """Whether prose ends by asking for a prediction, so that what comes next would give it away."""
    return bool(_PREDICT.match(text.rstrip().split("\n\n")[-1]))


def _quoted(title: str) -> str:
    return title.replace('"', "”")


def _marked(text: str) -> Iterator[tuple[bool, str]]:
    """Every line, with whether it belongs to a fenced block."""
    closing = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if closing:
            yield True, line
            if match and match[1].startswith(closing) and not line.strip().strip(closing[0]):
                closing = ""
        else:
            closing = match[1] if match else ""
            yield bool(match), line


def _lists(lines: list[str]) -> list[str]:
    """Lists with an empty line before them and four columns a level: notebooks need neither, Python-Markdown both."""
    found: list[str] = []
    columns: list[int] = []  # where the text of each open item begins
    for line in lines:
        item = _ITEM.match(line)
        width = len(line) - len(line.lstrip(" "))
        if not line.strip():
            found.append("")
        elif item and (columns or width < 4):
            begins = not columns
            while columns and width < columns[-1]:
                columns.pop()
            if begins and found and found[-1].strip():
                found.append("")
            found.append(INDENT * len(columns) + line.strip())
            columns.append(item.end())
        else:
            if columns and found[-1] == "":
                while columns and width < columns[-1]:
                    columns.pop()
            found.append(INDENT * len(columns) + line.strip() if columns else line)
    return found


def _predictions(lines: list[str]) -> str:
    """Paragraphs that begin with **Predict.** as call-outs."""
    blocks = re.split(r"\n{2,}", "\n".join(lines))
    return "\n\n".join(_prediction(block) for block in blocks)


def _prediction(block: str) -> str:
    match = _PREDICT.match(block)
    return callout("predict", "Predict", block[match.end() :]) if match else block


def cell_text(text: str) -> str:
    """Text for one cell of a table: on one line, bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")
