"""Percent scripts and notebooks, what is graded in them, and how they are built and brought up to date."""

from autograder.notebook.blank import Blank, blank_from, blank_of
from autograder.notebook.cells import Cell, Unreadable, load, read
from autograder.notebook.files import backup, bring_up_to_date, give_back, publish, write_atomic
from autograder.notebook.graded import Definitions, Statement, definitions
from autograder.notebook.merge import update
from autograder.notebook.stubs import reset

__all__ = [
    "Blank",
    "Cell",
    "Definitions",
    "Statement",
    "Unreadable",
    "backup",
    "blank_from",
    "blank_of",
    "bring_up_to_date",
    "definitions",
    "give_back",
    "load",
    "publish",
    "read",
    "reset",
    "update",
    "write_atomic",
]
