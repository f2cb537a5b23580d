"""The gate, as a test: every exercise of this repository holds what it claims."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import curriculum

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.long(6)
@pytest.mark.timeout(2700)  # every exercise and every notebook, on a machine with other tests to run
def test_every_exercise_is_proved() -> None:
    environment = {**os.environ, "FATHOM_ROOT": str(ROOT)}
    code = "from autograder.cli import main; main()"
    words = [sys.executable, "-c", code, "verify", "--json"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    proofs = {proof["exercise"]: proof for proof in json.loads(done.stdout)["exercises"]}
    assert set(proofs) == {exercise.name for exercise in curriculum.load(ROOT).exercises}
    assert {name: proof["findings"] for name, proof in proofs.items() if proof["findings"]} == {}
    for name, proof in proofs.items():
        assert proof["rejected"] == proof["named_first"] == proof["bugs"], name
        assert proof["other_words_named"] == proof["other_words"], name
        assert proof["accepted"] == proof["variants"], name
