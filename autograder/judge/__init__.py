"""Judging: run checks over a submission, compare with oracles, and report one of five outcomes per part."""

from autograder.judge.compare import raises
from autograder.judge.observation import observation, part

__all__ = ["observation", "part", "raises"]
