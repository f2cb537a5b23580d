"""What a check expects where an exception is the right answer."""

import builtins

from autograder.observe.plain import Raised


class raises:
    """Expects an exception of one of these types, by name, or of a class that inherits from one; without names, any."""

    def __init__(self, *types: str) -> None:
        self.types = types

    def accepts(self, error: Raised) -> bool:
        """Whether the exception is one of them."""
        known = getattr(builtins, error.type, None)
        builtin = [base.__name__ for base in known.__mro__] if isinstance(known, type) else []
        return not self.types or bool({error.type, *error.bases, *builtin} & set(self.types))

    def __repr__(self) -> str:
        return " or ".join(self.types) or "an exception"
