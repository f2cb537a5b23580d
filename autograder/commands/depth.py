"""`fathom depth`: how deep each topic really sits, as a table, a picture and JSON."""

from __future__ import annotations

import json
import time
from pathlib import Path

from autograder.commands.course import fail, load
from autograder.commands.practising import warn

KINDS = (".png", ".svg", ".pdf")


def run(as_json: bool, picture: Path | None) -> int:
    """Show every topic that the log knows."""
    from autograder import journal
    from autograder.practice.depth import WEIGHTS, depth_of

    if picture is not None and picture.suffix.lower() not in KINDS:
        fail(f"--picture writes {', '.join(KINDS)} by the ending of the file, and {picture} has none of them")
    course = load()
    now = time.time()
    log = journal.read(course.root, now)
    warn(log.concerns())
    parts = {exercise.name: [part.name for part in exercise.parts] for exercise in course.exercises}
    topics = depth_of(log.events, now, parts)
    if picture is not None:
        from autograder.render.depth import drawn

        try:
            picture.write_bytes(drawn(course, topics, picture.suffix.lower()[1:]))
        except OSError as error:
            fail(f"{picture} could not be written: {error.strerror or error}")
    if as_json:
        print(json.dumps({"weights": WEIGHTS, "topics": [topic.as_json() for topic in topics]}))
        return 0
    from autograder.render.depth import depth_view
    from autograder.render.terminal import console

    console().print(depth_view(course, topics))
    return 0
