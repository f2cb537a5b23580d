"""The practice page: when a learner worked, how deep it sits, and what the drills turned out to be."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from autograder.bugs.catalogue import Catalogue
from autograder.curriculum import Curriculum
from autograder.journal import Log
from autograder.journal.calendar import Day, year_of
from autograder.practice.depth import Topic, depth_of
from autograder.practice.runs import Run, runs_of
from autograder.render.depth import drawn, weights
from autograder.site.ahas import safe
from autograder.site.gallery import anchor
from autograder.site.lesson import place
from autograder.site.markdown import cell_text, strip

PICTURE = Path("assets", "practice", "depth.svg")
STEPS = (15, 45, 90)  # minutes at which a day gets a stronger colour
SHADES = (0.25, 0.45, 0.7, 1.0)
SIDE, GAP = 11, 3
DAYS = ("Mon", "", "Wed", "", "Fri", "", "")

ABOUT = (
    "*Alone* counts parts that passed without hints, *again* counts parts written anew from blank, *known* is the "
    "chance to still write a part today. Where there is too little to tell, it says so."
)
EMPTY = """\
Nothing is logged yet. Once it is, this page shows the days you worked, and how deep each topic sits.

```sh
fathom drill attention   # a planted bug to find, from its symptoms, against the clock
fathom review            # parts that are due to be written again from blank
fathom sprint            # half an hour on whichever of these is due
fathom depth             # what all of it came to
```"""


@dataclass(frozen=True)
class Practised:
    """What the log says, as the page needs it."""

    days: Sequence[Day]
    topics: Sequence[Topic]
    explained: Sequence[Run]


def practised(course: Curriculum, log: Log, now: datetime) -> Practised:
    """Read it off a log; `now` as in `journal.activity`."""
    parts = {exercise.name: [part.name for part in exercise.parts] for exercise in course.exercises}
    topics = depth_of(log.events, now.timestamp(), parts)
    explained = [run for run in runs_of(log.events) if run.explanation]
    return Practised(year_of(log.events, now), topics, explained)


def files(course: Curriculum, log: Log, catalogues: Mapping[str, Catalogue], now: datetime) -> dict[Path, str | bytes]:
    """The page, and its picture where there is something to draw."""
    found = practised(course, log, now)
    made: dict[Path, str | bytes] = {Path("practice.md"): page(course, found, catalogues)}
    if found.topics:
        made[PICTURE] = drawn(course, found.topics, "svg")
    return made


def page(course: Curriculum, found: Practised, catalogues: Mapping[str, Catalogue]) -> str:
    """The page as Markdown."""
    blocks = ["---\ntitle: Practice\n---", "# Practice"]
    if not any(day.events for day in found.days) and not found.topics:
        return "\n\n".join([*blocks, EMPTY]) + "\n"
    worked = [day for day in found.days if day.events or day.minutes]
    hours = sum(day.minutes for day in worked) / 60
    blocks.append(strip("facts", [f"{len(worked)} {'day' if len(worked) == 1 else 'days'}", f"{hours:.0f} hours"]))
    blocks += ["## The days of a year", heat_map(found.days)]
    if found.topics:
        blocks += [
            "## How deep it sits",
            f"![A bar for every share of every topic; the table below has the numbers]({PICTURE.as_posix()}){{ .figure }}",
        ]
        blocks += [f"{weights()} {ABOUT}", table(course, found.topics)]
    if found.explained:
        blocks.append("## What the drills were")
        blocks += [explanation(course, run, catalogues) for run in reversed(found.explained)]
    return "\n\n".join(blocks) + "\n"


def heat_map(days: Sequence[Day]) -> str:
    """A square a day, a column a week, on any background; each says its date and minutes to those who point at it."""
    columns = (len(days) + 6) // 7
    step = SIDE + GAP
    wide, high = 30 + columns * step, 18 + 7 * step
    squares, months = [], []
    for number, day in enumerate(days):
        x, y = 30 + number // 7 * step, 18 + number % 7 * step
        told = (
            f"{day.date.isoformat()}: {day.minutes:.0f} minutes"
            if day.events or day.minutes
            else f"{day.date.isoformat()}"
        )
        squares.append(
            f'<rect x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" rx="2" {shade(day)}><title>{told}</title></rect>'
        )
        if day.date.day == 1 and x + 24 < wide:
            months.append(label(x, 11, f"{day.date:%b}"))
    names = [label(0, 18 + row * step + 9, name) for row, name in enumerate(DAYS) if name]
    worked = sum(bool(day.events or day.minutes) for day in days)
    about = f"{worked} of the last {len(days)} days with practice"
    return (
        f'<div class="heat"><svg viewBox="0 0 {wide} {high}" style="width:100%;max-width:{wide}px" role="img" '
        f'aria-label="{html.escape(about)}">{"".join([*months, *names, *squares])}</svg></div>'
    )


def shade(day: Day) -> str:
    """A square's colour: none for a day off, the stronger the longer the work."""
    if not day.events and not day.minutes:
        return 'fill="currentColor" fill-opacity="0.07"'
    strength = SHADES[sum(day.minutes >= step for step in STEPS)]
    return f'fill="var(--fathom-green)" fill-opacity="{strength}"'


def label(x: int, y: int, text: str) -> str:
    """A word beside the squares."""
    return f'<text x="{x}" y="{y}" font-size="9" fill="currentColor" fill-opacity="0.65">{text}</text>'


def table(course: Curriculum, topics: Sequence[Topic]) -> str:
    """The topics with their numbers."""
    rows = [
        "| topic | depth | parts | alone | tries | hints | drills solved | again | known |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for topic in topics:
        exercise = course.exercise(topic.exercise)
        cells = [
            f"[{cell_text(exercise.title)}]({place(exercise).as_posix()})",
            "not enough" if topic.score is None else str(topic.score),
            f"{topic.passed} of {topic.parts}",
            str(topic.unaided),
            str(topic.attempts),
            str(topic.hints),
            f"{topic.solved} of {topic.drills}" if topic.drills else "–",
            str(topic.reviews),
            "–" if topic.recall is None else f"{topic.recall:.0%}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def explanation(course: Curriculum, run: Run, catalogues: Mapping[str, Catalogue]) -> str:
    """What somebody wrote about a drill, with the bugs that were in it; rendered so that it can do nothing."""
    began = datetime.fromtimestamp(run.began)
    words = [f"{began.day} {began:%B %Y}"]
    exercise = next((exercise for exercise in course.exercises if exercise.name == run.exercise), None)
    if exercise is not None:
        link = place(exercise).as_posix()
        known = catalogues[exercise.name].bugs if exercise.name in catalogues else ()
        words.append(f"[{exercise.title}]({link})")
        words += [
            f"[{bug.misconception}]({link}#{anchor(bug)})" for bug in known if bug.id in run.planted and not run.open
        ]
    words.append(f"{run.minutes:.0f} minutes")
    return f'{strip("labels", words)}\n\n<div class="aha">\n{safe(run.explanation)}\n</div>'
