"""What a user can do something about."""


class Trouble(Exception):
    """Said in one sentence, without a traceback: what was attempted, on what, and what to do about it."""
