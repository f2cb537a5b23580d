"""A small course in a temporary repository, and live kernels on its notebook."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kernels import COURSE, Kernel, copy

from autograder import curriculum
from autograder.notebook.files import publish


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course with its notebook built."""
    root = tmp_path_factory.mktemp("template") / "course"
    shutil.copytree(COURSE, root)
    for exercise in curriculum.load(root).exercises:
        publish(exercise)
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    """A copy of the course that a test may change."""
    return copy(template, tmp_path / "course")


@pytest.fixture(scope="module")
def shared_root(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the course for the tests of one file that only read it."""
    return copy(template, tmp_path_factory.mktemp("shared") / "course")


@pytest.fixture
def kernel() -> Iterator[Callable[..., Kernel]]:
    """Start kernels that end with the test."""
    with contextlib.ExitStack() as stack:

        def start(root: Path, notebook: Path | None, **options: Any) -> Kernel:
            made = Kernel(root, notebook, **options)
            stack.callback(made.stop)
            return made

        yield start
