"""One class full of attackers with honest people between them, graded once as each kind of user."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest
from attacks import Attack
from hostile_class import Outcome, run

from autograder.observe import locked

USERS = [
    "me",
    pytest.param("nobody", marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")),
]


@pytest.fixture(scope="session", params=USERS)
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The class, graded once for all workers of this test run."""
    try:
        locked.command()
    except locked.NoLock as reason:
        pytest.skip(str(reason))
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with (base / f"hostile-{request.param}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = base / f"hostile-{request.param}.json"
        if not found.exists():
            found.write_text(json.dumps(run(request.param)))
    data = json.loads(found.read_text())
    known = {name: Attack(**fields) for name, fields in data.pop("attacks").items()}
    return Outcome(**{**data, "folder": Path(data["folder"]), "out": Path(data["out"])}, attacks=known)
