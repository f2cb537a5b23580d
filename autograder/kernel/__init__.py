"""What notebooks import: `check`, `hint`, `aha`, `carry` and `look`, inside a Jupyter kernel or plain IPython."""

from autograder.kernel.carrying import carry
from autograder.kernel.checking import CheckFailed, aha, check, hint
from autograder.kernel.looking import look

__all__ = ["CheckFailed", "aha", "carry", "check", "hint", "look"]
