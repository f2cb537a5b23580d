"""Ask a worker: load a submission that defines `f`, and call it."""

from __future__ import annotations

from typing import Any

from autograder.observe.client import Answer, Worker

SOURCE = "def look(learner, *args):\n    return learner.f(*args)\n"


def load(worker: Worker, body: str, top: str = "import os, sys, time, signal, torch, numpy as np") -> Answer:
    """Load a submission that defines `f(*args)` with this body."""
    lines = "\n".join("    " + line for line in body.splitlines())
    statements = [
        {"source": top, "names": [], "cell": "top", "line": 1},
        {"source": f"def f(*args):\n{lines}", "names": ["f"], "cell": "answer", "line": 1},
    ]
    return worker.load(statements, {}, {})


def look(worker: Worker, *args: Any, seconds: float = 30.0) -> Answer:
    """Call the submission's `f`."""
    return worker.observe(SOURCE, "look", args, {}, seconds)
