"""Seeded choice, the same in every process and on every machine."""

from __future__ import annotations

import random


def stream(seed: int, name: str) -> random.Random:
    """A generator of its own for each part of the world, so that a longer part leaves the others as they were."""
    return random.Random(f"bank {name} {seed}")


def digits(rng: random.Random, count: int) -> str:
    """A string of digits that does not begin with 0."""
    return str(rng.randrange(10 ** (count - 1), 10**count))


def one_day(rng: random.Random) -> str:
    """A day of 2025 or 2026, as YYYY-MM-DD."""
    return f"{rng.randint(2025, 2026)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def clock(rng: random.Random) -> str:
    """A time of day, as HH:MM."""
    return f"{rng.randrange(24):02}:{rng.randrange(60):02}"
