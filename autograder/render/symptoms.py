"""A drill's symptoms in words and as a picture: what came beside what should have come."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from autograder.practice.symptoms import grouped
from autograder.render.colours import COLOURS
from autograder.render.text import tame

if TYPE_CHECKING:
    from autograder.bugs.catalogue import Bug
    from autograder.curriculum import Exercise
    from autograder.judge.picture import Picture
    from autograder.practice.runs import Run
    from autograder.practice.symptoms import Symptom

PANELS = 3  # pictures of arrays, at most
LISTED = 8  # checks in words
WIDTH, HIGH = 8.0, 2.1  # of a row, in inches
LONG = 44  # characters of a value in a table


def prose(exercise: Exercise, run: Run, bugs: Sequence[Bug], seen: Sequence[Symptom]) -> str:
    """What stands above the cells of a drill, as Markdown."""
    count = "One bug is" if len(bugs) == 1 else f"{len(bugs)} bugs are"
    rows = [
        f"# Drill: {exercise.title}",
        "",
        f"{count} planted in the cells below, which otherwise are the reference. You have {run.limit:g} minutes.",
        "",
        "What somebody noticed:" if len(bugs) == 1 else "What somebody noticed, of all of them together:",
        "",
        *(f"- {bug.symptom}" for bug in bugs),
        "",
        "What the checks saw:",
        "",
        *table(seen),
        "",
        "`fathom drill --check` grades this file as it is saved. `--hint` asks you a question, `--give-up` shows the reverse,",
        '`--explain "…"` keeps what you think it was.',
    ]
    return "\n".join(rows)


def table(seen: Sequence[Symptom]) -> list[str]:
    """The failing checks as a Markdown table."""
    rows = ["| check | came | should have come |", "|---|---|---|"]
    rows += [f"| {' | '.join(escaped(text) for text in row)} |" for row in listed(seen)]
    return rows


def listed(seen: Sequence[Symptom]) -> list[tuple[str, str, str]]:
    """The failing checks by their sentences, with what came and what should have come, each in a few words."""
    all_of_them = grouped(seen)
    rows = []
    for one, count in all_of_them[:LISTED]:
        more = f" (and {count - 1} more)" if count > 1 else ""
        rows.append((brief(one.check) + more, brief(one.got), brief(one.want)))
    if len(all_of_them) > LISTED:
        rows.append((f"and {len(all_of_them) - LISTED} more", "", ""))
    return rows


def escaped(text: str) -> str:
    """Text in a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def brief(text: str) -> str:
    """A value on one line, harmless, not too long."""
    line = " ".join(tame(text).split())
    return line if len(line) <= LONG else line[: LONG - 1] + "…"


def symptoms_png(seen: Sequence[Symptom]) -> bytes | None:
    """A figure of what failing checks got and what they wanted; None where nothing of it is a number."""
    arrays = distinct([one for one in seen if one.picture is not None])[:PANELS]
    numbers = [one for one in seen if one.numbers is not None and one.picture is None][:LISTED]
    if not arrays and not numbers:
        return None
    import matplotlib
    from matplotlib.figure import Figure

    heights = [HIGH] * len(arrays) + ([0.7 + 0.4 * len(numbers)] if numbers else [])
    with matplotlib.rc_context({"text.color": COLOURS.INK, "axes.edgecolor": COLOURS.INK, "font.size": 9}):
        figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained", facecolor="none")
        parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        for part in parts:
            part.set_facecolor("none")
        for part, one in zip(parts, arrays, strict=False):
            part.suptitle(brief(one.check), fontsize=9, color=COLOURS.INK)
            assert one.picture is not None
            beside(part, one.picture)
        if numbers:
            bars(parts[-1], numbers)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=110, transparent=True, metadata={"Software": None})
    return stream.getvalue()


def distinct(seen: Sequence[Symptom]) -> list[Symptom]:
    """Symptoms of different checks first, then those of the same check on other inputs."""
    names = [one.check.partition("[")[0] for one in seen]
    again = [name in names[:place] for place, name in enumerate(names)]
    return [seen[place] for place in sorted(range(len(seen)), key=again.__getitem__)]


def beside(part: Any, picture: Picture) -> None:
    """Two arrays: lines over one axis where each is one row, else two heat maps on one scale."""
    got, want = picture
    if len(got) == len(want) == 1:
        axes = plain(part.subplots())
        axes.plot(want[0], color=COLOURS.GREEN, linewidth=5, alpha=0.35, label="should have come")
        axes.plot(got[0], color=COLOURS.ORANGE, linewidth=1.5, marker="." if len(got[0]) <= 40 else "", label="came")
        axes.set_xlabel("index", color=COLOURS.INK)
        axes.legend(frameon=False, fontsize=8, labelcolor=COLOURS.INK)
        return
    finite = [abs(value) for rows in picture for row in rows for value in row if math.isfinite(value)]
    spread = max(finite, default=0.0) or 1.0
    for axes, rows, title in zip(part.subplots(1, 2), picture, ("came", "should have come"), strict=True):
        image = plain(axes).imshow(rows, cmap="PuOr_r", vmin=-spread, vmax=spread, aspect="auto", interpolation="none")
        axes.set_title(f"{title} ({len(rows)} × {len(rows[0])})", fontsize=8, color=COLOURS.INK)
        axes.locator_params(integer=True)
    bar = part.colorbar(image, ax=part.axes, shrink=0.9)
    bar.ax.tick_params(colors=COLOURS.INK, labelsize=7)


def bars(part: Any, numbers: Sequence[Symptom]) -> None:
    """Single numbers as pairs of bars, each pair on a scale of its own: the larger of the two is one."""
    axes = plain(part.subplots())
    for place, one in enumerate(reversed(numbers)):
        pair = one.numbers
        assert pair is not None
        spread = max(map(abs, pair)) or 1.0
        for shift, value, colour in ((0.18, pair[0], COLOURS.ORANGE), (-0.18, pair[1], COLOURS.GREEN)):
            axes.barh(place + shift, value / spread, 0.32, color=colour)
            axes.text(1.06, place + shift, f"{value:.6g}", va="center", fontsize=7, color=colour)
    axes.axvline(0, color=COLOURS.INK, linewidth=0.8)
    axes.set_xlim(-1.05 if any(min(one.numbers or (0, 0)) < 0 for one in numbers) else 0, 1.5)
    axes.set_yticks(range(len(numbers)), [brief(one.check)[:48] for one in reversed(numbers)], fontsize=8)
    axes.set_xticks([])
    axes.margins(y=0.02)
    axes.set_title("came (orange), should have come (green)", fontsize=9, color=COLOURS.INK)


def plain(axes: Any) -> Any:
    """Axes that read on any background."""
    axes.set_facecolor("none")
    axes.tick_params(colors=COLOURS.INK, labelsize=7)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
    return axes
