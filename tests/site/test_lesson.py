from __future__ import annotations

import re

import pytest

from autograder.bugs.catalogue import Bug, catalogue
from autograder.curriculum import Curriculum
from autograder.notebook import read
from autograder.site import gallery, lesson
from autograder.site.answers import answer
from autograder.site.running import Run


@pytest.fixture
def page(course: Curriculum, run: Run) -> str:
    exercise = course.exercise("sums")
    return lesson.page(course, exercise, catalogue(exercise), run, "../figures/sums")


def outside_spoilers(page: str) -> str:
    """The page without what a click opens."""
    return re.sub(r"^\?\?\? .*\n(?:(?: {4}.*)?\n)*", "", page, flags=re.MULTILINE)


def test_the_stub_is_shown_and_its_solution_only_on_a_click(page: str) -> None:
    shown = outside_spoilers(page)
    assert "raise NotImplementedError" in shown
    assert "return self.a + self.b" not in shown
    assert "return self.a + self.b" in page
    assert "BEGIN SOLUTION" not in page


def test_a_check_tells_points_needs_and_three_hints(page: str) -> None:
    part = page[page.index('id="part-ratio"') :]
    assert "**The ratio**" in part
    assert "2 points" in part
    assert "after [The total](#part-total)" in part
    assert [f'??? tip "Hint {level}"' in part for level in (1, 2, 3)] == [True] * 3
    assert 'check("ratio")' in part


def test_what_follows_a_prediction_is_shown_on_a_click_and_the_rest_at_once(page: str) -> None:
    shown = outside_spoilers(page)
    assert "seven 7" in page
    assert "seven 7" not in shown
    assert "01.png" not in shown
    assert "outright\n" in shown
    assert "ValueError: no" in shown


def test_a_picture_has_words_and_a_size(page: str) -> None:
    assert '![A line; rising](../figures/sums/01.png){ .figure width="640" height="320" }' in page


def test_links_to_notebooks_lead_to_pages(course: Curriculum, run: Run) -> None:
    exercise = course.exercise("more")
    made = lesson.page(course, exercise, catalogue(exercise), Run(run.folder, {}), "../figures/more")
    assert "[sums](../phase1_foundations/sums.md)" in made
    assert "after [Sums](../phase1_foundations/sums.md)" in made
    assert "Gallery" not in made  # it has no bugs yet


def test_each_part_has_its_own_functions_as_the_solution(course: Curriculum) -> None:
    cells = read(course.exercise("sums").source)
    assert answer(cells, "total") == "def total(self):\n    return self.a + self.b"
    assert answer(cells, "ratio") == "def ratio(self):\n    return self.a / self.b"


def test_the_gallery_has_a_card_for_every_bug_in_the_order_of_the_parts(page: str) -> None:
    assert page.index("### The total") < page.index('id="bug-difference"') < page.index("### The ratio")
    assert "A total takes away." in page
    assert "Totals are small." in page
    assert "What does a sum do?" in page
    assert "- crashes" in page


def test_a_change_is_a_diff_with_whole_lines(course: Curriculum) -> None:
    exercise = course.exercise("sums")
    difference, upside_down = catalogue(exercise).bugs
    made = gallery.change(exercise, difference).split("\n")
    assert "-     return self.a + self.b" in made
    assert "+     return self.a - self.b" in made
    assert sum(line.startswith("+") for line in gallery.change(exercise, upside_down).split("\n")) == 2


def test_a_bug_that_does_not_fit_yet_shows_what_it_would_replace(course: Curriculum) -> None:
    bug = Bug("x", "total", "m", "s", find="nowhere to be found", replace="new", question="q")
    assert gallery.change(course.exercise("sums"), bug) == "- nowhere to be found\n+ new"
