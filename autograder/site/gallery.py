"""The bugs of an exercise as a gallery: what one believed, what one saw, and the line behind a click."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Collection

from autograder.bugs.catalogue import Bug, Catalogue, mutated
from autograder.curriculum import CurriculumError, Exercise
from autograder.notebook import read
from autograder.site.answers import bare
from autograder.site.markdown import box, fence, spoiler, strip

EFFECTS = {"crash": "crashes", "hang": "never ends"}
AROUND = 2  # lines of the source shown on both sides of a change


def gallery(exercise: Exercise, catalogue: Catalogue, figures: str = "", seen: Collection[str] = ()) -> str:
    """Every bug of an exercise as a card, part by part; those in `seen` with their picture from the folder `figures`."""
    titles = {part.name: part.title for part in exercise.parts}
    titles.update((bug.part, bug.part) for bug in catalogue.bugs if bug.part not in titles)
    blocks = []
    for name, title in titles.items():
        cards = [
            card(exercise, bug, f"{figures}/{anchor(bug)}.png" if bug.id in seen else "")
            for bug in catalogue.bugs
            if bug.part == name
        ]
        if cards:
            blocks += [f"### {title}", box("gallery", "\n\n".join(cards))]
    return "\n\n".join(blocks)


def card(exercise: Exercise, bug: Bug, figure: str = "") -> str:
    """One bug: its misconception, symptom and question, what the checks saw, and the change behind a spoiler."""
    diff = spoiler("bug", "The change", fence(change(exercise, bug), "diff", "no-copy"))
    labels = [strip("labels", [EFFECTS[bug.effect]])] if bug.effect else []
    words = "What the failing checks got, beside what they wanted"
    pictures = [spoiler("example", "What the checks saw", f"![{words}]({figure}){{ loading=lazy }}")] if figure else []
    return box("card", "\n\n".join([*labels, _story(bug), *pictures, diff]), anchor(bug))


def told(exercise: Exercise, bug: Bug, link: str) -> str:
    """One bug without its change, and a link to where it is shown."""
    part = next((part.title for part in exercise.parts if part.name == bug.part), bug.part)
    return box("card", f"{strip('labels', [part])}\n\n{_story(bug)}\n\n[{exercise.title}: the gallery]({link})")


def _story(bug: Bug) -> str:
    paragraphs = [
        f"{_line(bug.misconception)}\n{{ .misconception }}",
        _line(bug.symptom),
        f"{_line(bug.question)}\n{{ .asked }}",
    ]
    return "\n\n".join(paragraphs)


def anchor(bug: Bug) -> str:
    """The name of a bug's card as a target of links."""
    return f"bug-{bug.id}"


def change(exercise: Exercise, bug: Bug) -> str:
    """What a bug changes in the reference, as a diff; where it does not fit, what it would replace."""
    try:
        before = read(exercise.source)
        after = mutated(exercise, bug)
    except CurriculumError:
        return "\n".join([*_signed("-", bug.find), *_signed("+", bug.replace)])
    found: list[str] = []
    for old, new in zip(before, after, strict=False):
        if old.source != new.source:
            found += _hunks(bare(old.source).split("\n"), bare(new.source).split("\n"))
    return _dedented(found)


def _hunks(old: list[str], new: list[str]) -> list[str]:
    lines = list(difflib.unified_diff(old, new, n=AROUND, lineterm=""))[2:]
    marked = ["⋯" if line.startswith("@@") else line for line in lines]
    return marked[1:]  # the first hunk needs no mark before it


def _dedented(lines: list[str]) -> str:
    """A diff whose text begins at the margin, after its signs."""
    text = textwrap.dedent("\n".join("" if line == "⋯" else line[1:] for line in lines)).split("\n")
    signs = ["⋯" if line == "⋯" else line[:1] for line in lines]
    return "\n".join(f"{sign} {rest}".rstrip() for sign, rest in zip(signs, text, strict=True))


def _signed(sign: str, text: str) -> list[str]:
    return [f"{sign} {line}" for line in textwrap.dedent(text).strip("\n").split("\n")]


def _line(text: str) -> str:
    return " ".join(text.split())
