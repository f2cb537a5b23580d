from __future__ import annotations

import pytest

from autograder.curriculum import Curriculum, find_root, load
from autograder.site import home
from autograder.site.overview import BEGIN, END, NoMarkers, readme_map, refresh_readme, refreshed


def test_every_exercise_is_in_the_map_with_what_it_takes(course: Curriculum) -> None:
    rows = readme_map(course).split("\n")
    assert "| 1 | [Sums](phase1_foundations/01_sums.ipynb) | What is a \\| sum? | 1.5 | core | 1 | 3 | – |" in rows
    assert "| 2 | [More](phase2_llm_projects/02_more.ipynb) | And then? | 2 | breadth | 1 | 1 | 1 |" in rows
    assert "**Phase 2 · LLM projects**" in rows
    assert rows[-1] == "2 exercises, 3.5 hours; the core path takes 1.5 of them."


def test_refreshing_a_readme_replaces_the_map_and_nothing_else(course: Curriculum) -> None:
    before = f"# Title\n\n{BEGIN}\nold\n{END}\n\nrest \\1"
    after = refreshed(before, course)
    assert after.startswith(f"# Title\n\n{BEGIN}\n\n**Phase 1")
    assert after.endswith(f"{END}\n\nrest \\1")
    assert refreshed(after, course) == after


def test_a_readme_without_a_place_for_the_map_is_refused(course: Curriculum) -> None:
    with pytest.raises(NoMarkers, match="put the lines"):
        refreshed("# Title", course)


def test_refreshing_says_whether_anything_changed(course: Curriculum) -> None:
    (course.root / "README.md").write_text(f"{BEGIN}{END}", encoding="utf-8")
    assert refresh_readme(course)
    assert not refresh_readme(course)


def test_this_repositorys_readme_is_up_to_date() -> None:
    course = load(find_root())
    readme = course.root / "README.md"
    if not readme.is_file():
        pytest.skip("there is no README yet")
    text = readme.read_text(encoding="utf-8")
    assert refreshed(text, course) == text, "the map in README.md is old: run `fathom build`"


def test_the_home_page_counts_and_shows_bugs_without_their_lines(course: Curriculum) -> None:
    from autograder.bugs.catalogue import catalogue

    catalogues = {exercise.name: catalogue(exercise) for exercise in course.exercises}
    made = home.page("<!-- fathom:numbers -->\n<!-- fathom:bugs -->\n<!-- fathom:map -->", course, catalogues)
    assert "- 2 exercises" in made
    assert "- 3 graded parts" in made
    assert "- 2 bugs the grader knows by name" in made
    assert "A total takes away." in made
    assert "self.a - self.b" not in made
    assert "[Sums](phase1_foundations/sums.md)" in made
    assert "<!--" not in made
