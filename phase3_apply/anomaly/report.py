"""The report: Markdown with tables and pictures, and the same numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = Sequence[str]


@dataclass
class Report:
    """A report as it grows: blocks of Markdown, and numbers by name."""

    folder: Path
    blocks: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    def say(self, *paragraphs: str) -> None:
        """Add paragraphs or headings."""
        self.blocks += paragraphs

    def table(self, heads: Row, rows: Sequence[Row]) -> None:
        """Add a table."""
        lines = [heads, ["---"] * len(heads), *rows]
        self.blocks.append(
            "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)
        )

    def picture(self, name: str, text: str) -> Path:
        """Add a picture, and return the file that it belongs into."""
        self.blocks.append(f"![{text}]({name}.png)")
        return self.folder / f"{name}.png"

    def save(self) -> Path:
        """Write it all."""
        place = self.folder / "report.md"
        place.write_text("\n\n".join(self.blocks) + "\n", encoding="utf-8")
        numbers = json.dumps(self.numbers, indent=1, ensure_ascii=False)
        (self.folder / "numbers.json").write_text(numbers + "\n", encoding="utf-8")
        return place


def code(text: str, most: int = 160) -> str:
    """A line of a log as code, in a table or out of it."""
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return "`" + shown.replace("`", "'") + "`"


def percent(share: float | None) -> str:
    """A share in words."""
    return "" if share is None else f"{share:.1%}"


def listing(table: Mapping[str, tuple[float, float | None]]) -> list[Row]:
    """Rows of the table of methods."""
    return [[name, percent(false), percent(found)] for name, (false, found) in table.items()]
