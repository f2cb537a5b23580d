"""Where nobody inside bubblewrap may have a capability, as below Ubuntu's AppArmor profile: slower, and as tight."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from attacks import attacks
from hostile_class import COURSE, HONEST, by_student, grade, honest, told, unguarded

SOME = 12  # attacks of the suite, from all of its kinds: a sandbox takes seconds here
WITHOUT_CAPABILITIES = """#!/bin/bash
words=()
while (($#)); do
  if [ "$1" = --cap-add ]; then shift 2; else words+=("$1"); shift; fi
done
exec {bwrap} "${{words[@]}}"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody, whom such systems restrict")
def test_each_submission_gets_a_sandbox_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        pytest.skip("bubblewrap is not installed")
    place = Path(tempfile.mkdtemp(prefix="fathom-unnested-"))  # not pytest's own, where only root may enter
    place.chmod(0o777)
    (place / "bin").mkdir()
    wrapper = place / "bin" / "bwrap"
    wrapper.write_text(WITHOUT_CAPABILITIES.format(bwrap=bwrap))
    for path in (wrapper, wrapper.parent):
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")

    course, everyone, few = unguarded(COURSE, place / "course"), place / "class", place / "few"
    for folder in (everyone, few):
        honest(folder)
    canary = place / "canary"
    canary.mkdir(mode=0o777)
    known = list(attacks(course, everyone / "honest-reference" / "tally.py", canary / "touched", 1))
    chosen = {attack.name: attack for attack in known[:: len(known) // SOME]}
    for name, attack in chosen.items():
        (everyone / name).mkdir()
        (everyone / name / "tally.py").write_text(attack.source, encoding="utf-8", errors="surrogateescape")

    graded = grade("nobody", course, everyone, place / "out")
    reports = by_student(graded, everyone)
    assert "namespaces do not nest here" in graded.stderr
    assert "left behind: 0" in graded.stderr
    for name, attack in chosen.items():
        assert reports[name]["error"] is None
        assert reports[name]["points"] <= attack.earns, reports[name]
    assert not list(canary.iterdir())

    monkeypatch.undo()
    nested = by_student(grade("nobody", course, few, place / "alone"), few)
    assert len(nested) == 3
    assert {name: told(report) for name, report in reports.items() if name.startswith(HONEST)} == {
        name: told(report) for name, report in nested.items()
    }
    shutil.rmtree(place)
