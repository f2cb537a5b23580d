"""How deep each topic sits: a table for the terminal, and a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autograder.curriculum import Curriculum
from autograder.practice.depth import WEIGHTS, Topic
from autograder.render.colours import COLOURS

BAR = 10  # characters of a full bar
EMPTY = "Nothing is logged yet: `fathom learn` opens the next exercise, and every verdict on it counts here."
HUES = {"alone": COLOURS.BLUE, "kept": COLOURS.GREEN, "found": COLOURS.ORANGE}
WORDS = {"alone": "built alone", "kept": "kept for weeks", "found": "found in drills"}


def depth_view(course: Curriculum, topics: Sequence[Topic]) -> RenderableType:
    """A row for every topic, what is missing for a score, and what the numbers are made of."""
    if not topics:
        return Text(EMPTY)
    table = Table(box=None, pad_edge=False)
    headings = ("topic", "depth", "", "parts", "alone", "tries", "hints", "drills", "min", "again", "known")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number in (0, 2) else "right", no_wrap=number > 0)
    for topic in topics:
        table.add_row(
            course.exercise(topic.exercise).title,
            "–" if topic.score is None else str(topic.score),
            bar(topic),
            f"{topic.passed}/{topic.parts}",
            str(topic.unaided),
            str(topic.attempts),
            str(topic.hints),
            f"{topic.solved}/{topic.drills}" if topic.drills else "–",
            "–" if topic.drill_minutes is None else f"{topic.drill_minutes:g}",
            str(topic.reviews),
            "–" if topic.recall is None else f"{topic.recall:.0%}",
        )
    rows: list[RenderableType] = [table]
    lacking: dict[str, list[str]] = {}
    for topic in topics:
        if topic.missing:
            lacking.setdefault(topic.missing, []).append(course.exercise(topic.exercise).title)
    rows += [Text(f"Not enough {missing}: {', '.join(titles)}.", "yellow") for missing, titles in lacking.items()]
    return Group(*rows, Text(legend(), "dim"))


def bar(topic: Topic) -> Text:
    """A score as a bar."""
    if topic.score is None:
        return Text("not enough", "dim")
    full = round(topic.score * BAR / 100)
    return Text("█" * full, "green").append("░" * (BAR - full), "bright_black")


def legend() -> str:
    """What the numbers are."""
    return (
        f"{weights()} Alone counts parts that passed without hints, min is the time of a solved drill, again counts "
        "parts written anew from blank, known is the chance to still write a part today."
    )


def weights() -> str:
    """What a score is made of."""
    return f"Depth is out of 100: {', '.join(f'{weight:.0%} {WORDS[name]}' for name, weight in WEIGHTS.items())}."


def drawn(course: Curriculum, topics: Sequence[Topic], kind: str) -> bytes:
    """The picture as a file of this kind (png, svg, pdf): a row for every topic, a bar for every share, the score."""
    import matplotlib
    from matplotlib.figure import Figure

    quiet: Any = {"svg.hashsalt": "fathom", "svg.fonttype": "none", "text.color": COLOURS.INK, "font.size": 9}
    with matplotlib.rc_context(quiet):
        rows = list(reversed(topics))
        figure = Figure(figsize=(8.0, 1.3 + 0.55 * max(1, len(rows))), layout="constrained", facecolor="none")
        axes = figure.subplots()
        axes.set_facecolor("none")
        for place, topic in enumerate(rows):
            for shift, (name, hue) in zip((0.25, 0.0, -0.25), HUES.items(), strict=True):
                share = getattr(topic, name)
                axes.barh(place + shift, 1, 0.2, color=COLOURS.INK, alpha=0.12)
                if share is not None:
                    axes.barh(place + shift, share, 0.2, color=hue)
            told = "not enough" if topic.score is None else str(topic.score)
            size = 8 if topic.score is None else 13
            axes.text(1.03, place, told, va="center", fontsize=size, color=COLOURS.INK)
        if not rows:
            axes.text(0.5, 0, "nothing is logged yet", ha="center", color=COLOURS.INK)
        axes.set_yticks(range(len(rows)), [course.exercise(topic.exercise).title for topic in rows])
        axes.set_xlim(0, 1.18)
        axes.set_xticks([0, 0.5, 1], ["0", "half", "all"])
        axes.tick_params(colors=COLOURS.INK, length=0)
        axes.set_title("How deep each topic sits", color=COLOURS.INK, fontsize=11)
        for spine in axes.spines.values():
            spine.set_visible(False)
        handles = [matplotlib.patches.Patch(color=hue, label=WORDS[name]) for name, hue in HUES.items()]
        where: Any = {"loc": "outside lower center", "ncols": 3}
        figure.legend(handles=handles, frameon=False, labelcolor=COLOURS.INK, **where)
        stream = io.BytesIO()
        stamp = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
        figure.savefig(stream, format=kind, dpi=130, transparent=True, metadata=stamp)
    return stream.getvalue()
