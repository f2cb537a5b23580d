"""A course of the instructor's, apart from the repository that it grades with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autograder import curriculum
from autograder.curriculum import Exercise

COURSE = Path(__file__).parents[1] / "course"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small course."""
    root = tmp_path_factory.mktemp("repository") / "course"
    shutil.copytree(COURSE, root)
    return root


@pytest.fixture(scope="module")
def exercise(repository: Path) -> Exercise:
    """Its exercise."""
    return curriculum.load(repository).exercise("tally")
