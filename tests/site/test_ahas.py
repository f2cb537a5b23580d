from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

import pytest

from autograder.bugs.catalogue import catalogue
from autograder.curriculum import Curriculum
from autograder.journal.ahas import Aha
from autograder.site import ahas

HARMLESS = {"a", "code", "div", "h1", "hr", "li", "p", "pre", "span", "strong", "ul"}
HARMLESS |= {"table", "tbody", "td", "th", "thead", "tr"}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![pixel](https://example.org/pixel.png)",
    "[click](javascript:alert(1))",
    "[click](  JaVaScRiPt:alert(1))",
    "[click](data:text/html,<script>alert(1)</script>)",
    "</div></div></div><script>alert(1)</script>",
    "<div markdown>\n\n**x**\n\n</div>",
    "~~~~\n```python\n</code></pre><script>alert(1)</script>\n```\n~~~~",
    "    </pre><script>alert(1)</script>",
    "`` ` `` <svg/onload=alert(1)>",
    "text\n{: onclick=alert(1) }",
    "[x]{ onclick=alert(1) }",
    "$</span><script>alert(1)</script>$",
    "$$\n</div><script>alert(1)</script>\n$$",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\x02wzxhzdk:0\x03 \x02klzzwxh:0000\x03",
    "<!-- <script>alert(1)</script> -->",
    "<?php <script>alert(1)</script> ?>",
    "[a]: javascript:alert(1)\n\n[a]",
    "[^1]\n\n[^1]: <script>alert(1)</script>",
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "*[HTML]: <script>alert(1)</script>\n\nHTML",
    "???+ note\n    <script>alert(1)</script>",
    '--8<-- "/etc/passwd"',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_learner_wrote_can_do_nothing(course: Curriculum, html: Callable[[str], str], text: str) -> None:
    entry = Aha("a.md", date(2026, 1, 5), text, "<script>", "<script>", bug="<script>")
    made = html(ahas.page(course, [entry], {}))
    assert set(re.findall(r"<(\w+)", made)) <= HARMLESS
    assert not re.search(r"<[^>]*\son\w+\s*=", made)
    assert all(re.match(r"https?:|mailto:|#aha-log$", link) for link in re.findall(r'href="([^"]*)"', made))
    assert made.count("<div") == made.count("</div>")


def test_links_lend_no_reputation() -> None:
    made = ahas.safe("[a](https://example.org) <https://example.org>")
    assert made.count('rel="nofollow noopener noreferrer"') == 2


def test_ordinary_markdown_comes_through() -> None:
    made = ahas.safe("# Big\n\n**bold** `code` $x_i$\n\n- one\n\n```python\na = 1\n\nb = 2\n```")
    for piece in ("<strong>Big</strong>", "<strong>bold</strong>", "<code>code</code>", "\\(x_i\\)", "<li>one</li>"):
        assert piece in made
    assert "a = 1\n\nb = 2" in made


def test_the_newest_comes_first_with_its_exercise_part_bug_and_time(course: Curriculum) -> None:
    known = {"sums": catalogue(course.exercise("sums"))}
    old = Aha("1.md", date(2026, 1, 5), "older", "sums", "total", 12, "difference")
    new = Aha("2.md", date(2026, 2, 1), "newer")
    made = ahas.page(course, [old, new], known)
    assert made.index("newer") < made.index("older")
    for piece in (
        "- 5 January 2026",
        "[Sums](phase1_foundations/sums.md)",
        "[The total](phase1_foundations/sums.md#part-total)",
        "[after a bug: A total takes away.](phase1_foundations/sums.md#bug-difference)",
        "- 12 minutes",
    ):
        assert piece in made


def test_an_empty_log_says_how_to_begin(course: Curriculum) -> None:
    assert "fathom aha" in ahas.page(course, [], {})
