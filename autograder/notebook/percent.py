"""Percent scripts: `# %%` cells with their metadata, as jupytext writes them, read without jupytext."""

from __future__ import annotations

import ast
import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from autograder.notebook.cells import Cell, Kind

_MARKER = re.compile(r"\s*#\s*%%(?P<depth>%*)(?:\s(?P<options>.*))?$|\s*#\s*(?:<codecell>|In\[[0-9 ]*\]:?)\s*$")
_KIND = re.compile(r"\[(markdown|md|raw)\]")
_KEY = re.compile(r"(?:^|(?<=\s))([A-Za-z0-9_.@/-]+)\s*=\s*")
_SPACES = re.compile(r"\s*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)$")
_CLOSING = re.compile(r"(?:# ?)? {0,3}(`{3,}|~{3,})\s*$")
_QUOTES = re.compile(r"'''|\"\"\"|#|'(?:\\.|[^'\\])*'?|\"(?:\\.|[^\"\\])*\"?|\\.", re.DOTALL)
_CLOSE = {q: re.compile(r"(?:\\.|[^\\])*?" + q, re.DOTALL) for q in ("'''", '"""')}
_DECODER = json.JSONDecoder()
_LINES = re.compile(r"\r\n?")

UNREADABLE_OPTIONS = "incorrectly_encoded_metadata"  # jupytext's own key for options that it cannot parse


class BadHeader(ValueError):
    """The YAML header of a script cannot be read."""


def parse(text: str) -> tuple[dict[str, Any], tuple[Cell, ...]]:
    """Split a percent script into the mapping of its YAML header and its cells; raises BadHeader."""
    return header(text), cells(text)


def header(text: str) -> dict[str, Any]:
    """The mapping in the script's commented YAML block, {} without one; raises BadHeader."""
    lines = _LINES.sub("\n", text).split("\n")
    block = lines[_header_start(lines) : _header_end(lines)]
    if not block:
        return {}
    import yaml  # a learner's script is read without its header, and then without yaml

    source = "\n".join(_uncommented(block[1:-1]))
    try:
        found = yaml.load(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadHeader(" ".join(str(error).split())) from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadHeader("the header is not a mapping")
    return found


def cells(text: str) -> tuple[Cell, ...]:
    """The cells of a percent script; a script without any marker is one code cell."""
    lines = _LINES.sub("\n", text).split("\n")
    if lines and not lines[-1]:
        lines.pop()
    start = _header_end(lines)
    if start and start < len(lines) and not _uncommented([lines[start]])[0].strip():
        start += 1
    found: list[Cell] = []
    for first, last in _spans(lines, start):
        cell = _cell(lines, first, last, len(found))
        if cell is not None:
            found.append(cell)
    return tuple(found)


def _header_start(lines: list[str]) -> int:
    """Where the header may begin: after a shebang and an encoding line."""
    start = 0
    if lines and lines[0].startswith("#!"):
        start = 1
    if start < len(lines) and re.match(r"[ \t\f]*#.*?coding[:=]", lines[start]):
        start += 1
    return start


def _header_end(lines: list[str]) -> int:
    """The line after the header, or where the cells begin without one."""
    start = _header_start(lines)
    if start >= len(lines) or lines[start].rstrip() != "# ---":
        return start
    for number in range(start + 1, len(lines)):
        if lines[number].rstrip() == "# ---":
            return number + 1
        if not lines[number].startswith("#"):
            break
    return start


def _spans(lines: list[str], start: int) -> Iterator[tuple[int, int]]:
    """First and last+1 line of every cell; a marker inside a string or a fenced block is text."""
    first, quote, fence = start, "", ""
    prose = False
    fences: _Fences | None = None
    for number in range(start, len(lines)):
        line = lines[number]
        if quote:
            quote = _quote_after(line, quote)
            continue
        if "'''" in line or '"""' in line:
            quote = _quote_after(line, "")
        bare = line.lstrip()
        if prose and (fence or "```" in line or "~~~" in line):
            fences = fences or _Fences(lines)
            fence, skip = fences.after(line, number, fence)
            if skip:
                continue
        if not bare.startswith("#") or not any(sign in bare for sign in ("%%", "<codecell>", "In[")):
            continue
        match = _MARKER.match(line)
        if match:
            if number > first:
                yield first, number
            first, fence = number, ""
            prose = bool(_KIND.search(match["options"] or ""))
    if len(lines) > first:
        yield first, len(lines)


def _quote_after(line: str, quote: str) -> str:
    """The triple quote that is open after this line, given the one open before it."""
    position = 0
    if not quote and line.lstrip().startswith("#"):
        return ""
    while True:
        if quote:
            closing = _CLOSE[quote].match(line, position)
            if not closing:
                return quote
            position, quote = closing.end(), ""
        token = _QUOTES.search(line, position)
        if token is None or token[0] == "#":
            return ""
        position = token.end()
        if token[0] in _CLOSE:
            quote = token[0]


class _Fences:
    """Where fenced code blocks of prose can close; an opening that nothing closes is text."""

    def __init__(self, lines: list[str]) -> None:
        self.places: dict[str, list[int]] = {"`": [], "~": []}
        self.longest: dict[str, list[int]] = {"`": [], "~": []}  # the longest fence from that place on
        found = [(number, match[1]) for number, line in enumerate(lines) if (match := _CLOSING.match(line))]
        for number, fence in reversed(found):
            self.places[fence[0]].append(-number)
            longest = self.longest[fence[0]]
            longest.append(max(len(fence), longest[-1] if longest else 0))

    def after(self, line: str, number: int, fence: str) -> tuple[str, bool]:
        """The fence that is open after this line, and whether the line belongs to a fenced block."""
        match = _FENCE.match(_uncommented([line])[0])
        if fence:
            closes = match and match[1][0] == fence[0] and len(match[1]) >= len(fence) and not match[2].strip()
            return ("" if closes else fence), True
        if not match or (match[1][0] == "`" and "`" in match[2]):
            return "", False
        below = bisect_left(self.places[match[1][0]], -number)
        if below and self.longest[match[1][0]][below - 1] >= len(match[1]):
            return match[1], True
        return "", False


def _cell(lines: list[str], first: int, last: int, index: int) -> Cell | None:
    match = _MARKER.match(lines[first])
    metadata: dict[str, Any] = {}
    kind: Kind = "code"
    if match:
        kind, metadata = _options((match["depth"] or "") + (match["options"] or ""))
    body = lines[first + bool(match) : last]
    if len(body) > 2 and not body[-1].strip() and not body[-2].strip() and body[-3].strip():
        body = body[:-2]
    elif body and not body[-1]:
        body = body[:-1]
    if not match and not any(line.strip() for line in body):
        return None
    source = "\n".join(body) if kind == "code" else _prose(body)
    return Cell(kind=kind, source=source, metadata=metadata, index=index)


def _prose(body: list[str]) -> str:
    """The text of a markdown or raw cell: a triple-quoted string, or commented lines."""
    text = "\n".join(body).strip()
    quoted = re.fullmatch(r"[rR]?('''|\"\"\")\n?(.*?)\n?\1", text, re.DOTALL)
    return quoted[2] if quoted else "\n".join(_uncommented(body))


def _uncommented(lines: list[str]) -> list[str]:
    return [line[2:] if line.startswith("# ") else line[1:] if line.startswith("#") else line for line in lines]


def _options(text: str) -> tuple[Kind, dict[str, Any]]:
    """Kind and metadata in `title [markdown] key=value key=value`, values in JSON."""
    first = _KEY.search(text)
    brace = text.find("{")
    if brace >= 0 and (first is None or brace < first.start()):
        title, metadata = text[:brace], _one_value(text[brace:])
    else:
        title = text[: first.start()] if first else text
        metadata = _pairs(text[first.start() :]) if first else {}
    kind: Kind = "code"
    match = _KIND.search(title)
    if match:
        kind = "raw" if match[1] == "raw" else "markdown"
        title = title.replace(match[0], "")
    title = title.strip().lstrip("%").strip()
    if title:
        metadata["title"] = title
    return kind, metadata


def _one_value(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {UNREADABLE_OPTIONS: text}


def _pairs(text: str) -> dict[str, Any]:
    """The key=value pairs of a cell marker; what cannot be read stays under jupytext's key for it."""
    metadata: dict[str, Any] = {}
    position = 0
    while position < len(text):
        match = _KEY.match(text, position)
        if match is None:
            return {**metadata, UNREADABLE_OPTIONS: text[position:]}
        try:
            metadata[match[1]], position = _DECODER.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            return {**metadata, **_python_value(match[1], text[match.end() :])}
        if position < len(text) and not text[position].isspace():
            return {**metadata, UNREADABLE_OPTIONS: text[match.start() :]}
        spaces = _SPACES.match(text, position)
        position = spaces.end() if spaces else position
    return metadata


def _python_value(key: str, text: str) -> dict[str, Any]:
    """A last value written in Python rather than JSON, such as {'grade_id': 'mul'}, which jupytext accepts too."""
    try:
        return {key: ast.literal_eval(text.strip())}
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return {UNREADABLE_OPTIONS: f"{key}={text}"}
