"""Judging: run checks over a submission, compare with oracles, and report one of five outcomes per part."""

from autograder.judge.observation import observation, part
from autograder.judge.raising import raises

__all__ = ["observation", "part", "raises"]
