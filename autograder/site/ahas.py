"""The aha log as a page: what a learner understood, newest first, rendered so that it can do nothing."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autograder.bugs.catalogue import Catalogue
from autograder.curriculum import Curriculum, Exercise, UnknownExercise
from autograder.journal.ahas import Aha
from autograder.render.text import tame
from autograder.site.gallery import anchor
from autograder.site.lesson import place
from autograder.site.markdown import strip

# what the site's own Markdown would take for a fence or for attributes, in what is HTML already
INERT = {ord(character): f"&#{ord(character)};" for character in "`~{}"}
LINKS = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)

EMPTY = """\
Nothing is logged yet. The last cell of every notebook asks for your first entry, and so does the command line:

```sh
fathom aha "A gradient adds up over every road that leads back to a number."
```

One or two sentences are enough, as you would tell a colleague. Each becomes a Markdown file of its own in
`progress_log/`, with the exercise, the date and the bug you had just fixed; edit it there as you like."""


def page(course: Curriculum, entries: Sequence[Aha], catalogues: Mapping[str, Catalogue]) -> str:
    """The page of the aha log."""
    newest = sorted(entries, key=lambda entry: (entry.date, entry.name), reverse=True)
    told = "\n\n".join(_entry(course, entry, catalogues) for entry in newest)
    return f"---\ntitle: Aha log\n---\n\n# Aha log\n\n{told or EMPTY}\n"


def safe(text: str) -> str:
    """Markdown that somebody wrote as HTML without scripts, pictures, or anything that is fetched.

    Raw HTML shows as text, links lead to web pages and mail only and lend no reputation, headings are bold lines.
    """
    made: str = _renderer().render(tame(text))
    return made.translate(INERT)


def _renderer() -> Any:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    md = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    md.use(dollarmath_plugin, double_inline=True)
    md.validateLink = lambda url: bool(LINKS.match(url))  # type: ignore[method-assign]
    for kind, (before, after) in _MATHS.items():
        md.add_render_rule(kind, _maths(before, after))
    md.add_render_rule("link_open", _link)
    md.add_render_rule("heading_open", lambda *_: "<p><strong>")
    md.add_render_rule("heading_close", lambda *_: "</strong></p>\n")
    return md


_MATHS = {
    "math_inline": ('<span class="arithmatex">\\(', "\\)</span>"),
    "math_inline_double": ('<span class="arithmatex">\\[', "\\]</span>"),
    "math_block": ('<div class="arithmatex">\\[', "\\]</div>\n"),
}


def _maths(before: str, after: str) -> Callable[..., str]:
    return lambda self, tokens, index, options, env: before + html.escape(tokens[index].content) + after


def _link(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("rel", "nofollow noopener noreferrer")
    return str(self.renderToken(tokens, index, options, env))


def _entry(course: Curriculum, entry: Aha, catalogues: Mapping[str, Catalogue]) -> str:
    words = [f"{entry.date.day} {entry.date:%B %Y}", *_where(course, entry, catalogues)]
    # outside any div whose inside is Markdown, so that the site's Markdown takes it as one piece of HTML
    return f'{strip("labels", words)}\n\n<div class="aha">\n{safe(entry.text)}\n</div>'


def _where(course: Curriculum, entry: Aha, catalogues: Mapping[str, Catalogue]) -> list[str]:
    """Exercise, part, bug and time, as far as they are known to the curriculum; nothing is copied from the file."""
    found: list[str] = []
    exercise = _exercise(course, entry.exercise)
    if exercise is not None:
        link = place(exercise).as_posix()
        found.append(f"[{exercise.title}]({link})")
        found += [f"[{part.title}]({link}#part-{part.name})" for part in exercise.parts if part.name == entry.part]
        bugs = catalogues[exercise.name].bugs if exercise.name in catalogues else ()
        found += [f"[after a bug: {bug.misconception}]({link}#{anchor(bug)})" for bug in bugs if bug.id == entry.bug]
    if entry.minutes:
        found.append(f"{entry.minutes:.0f} minutes")
    return found


def _exercise(course: Curriculum, name: str | None) -> Exercise | None:
    try:
        return course.exercise(name) if name else None
    except UnknownExercise:
        return None
