"""The command line, plain pytest and the watcher are three ways to one verdict."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

MIXED = {  # every outcome once, in two submissions
    "tally": """
        class Tally:
            def __init__(self):
                self.total = 0.0
                self.count = 0

            def add(self, x):
                self.total = x
                self.count += 1
                return self
        """,
    "mean": "@method(Tally)\ndef mean(self):\n    raise NotImplementedError",
    "halvings": "def halvings(n):\n    while n > 1: pass\n    return 0",
}
OTHER = {
    "running": "import torch as t\ndef running(values):\n    return t.cumsum(values, 0)",
    "halvings": "def halvings(n):\n    return no_such_name",
    "mean": "@method(Tally)\ndef mean(self)\n    return 0",
}
LETTERS = {"passed": ".", "failed": "F", "crashed": "F", "timed_out": "F", "not_started": "s"}


def outcomes(report: dict[str, Any]) -> dict[str, Any]:
    """What a report says of each part and each check."""
    return {
        part["part"]: (part["outcome"], part["bug"], part["message"], [check["outcome"] for check in part["checks"]])
        for part in report["parts"]
    }


def test_three_ways_to_one_verdict(fathom: Any, desk: Any, made: Any, tmp_path: Path) -> None:
    files = []
    for name, changed in (("mixed", MIXED), ("other", OTHER), ("right", {})):
        files.append(tmp_path / f"{name}.ipynb")
        files[-1].write_text(json.dumps(made.notebook(made.answers(**changed))), encoding="utf-8")

    said = fathom("check", "tally", "--json", "--submission", *files)
    assert said.code == 1
    checked = said.document["submissions"]
    seen = {part["part"]: part["outcome"] for part in checked[0]["parts"]}
    assert seen == {"add": "failed", "mean": "not_started", "running": "passed", "halvings": "timed_out"}
    assert checked[0]["parts"][0]["bug"] == "total-overwritten"
    seen = {part["part"]: part["outcome"] for part in checked[1]["parts"]}
    assert seen == {"add": "passed", "mean": "crashed", "running": "failed", "halvings": "crashed"}

    assert [outcomes(report) for report in desk.watch(files)] == [outcomes(report) for report in checked]

    for file, report in zip(files[:2], checked, strict=False):
        plain = fathom.pytest("--submission", file)
        letters = "".join(
            LETTERS[outcome]
            for part in report["parts"]
            for outcome in ([check["outcome"] for check in part["checks"]] or [part["outcome"]] * 2)
        )
        assert plain.out.split()[0] == letters, plain.out
        assert plain.code == 1
        for part in report["parts"]:
            for check in part["checks"]:
                if check["outcome"] not in ("passed", "not_started"):
                    assert f"{check['outcome'].replace('_', ' ')}: {check['name']}" in plain.out
                if check["want"]:
                    assert re.search(rf"got\s+{re.escape(check['got'])}", plain.out)


def test_plain_pytest_tells_what_it_could_not_read(fathom: Any, tmp_path: Path) -> None:
    said = fathom.pytest("--submission", tmp_path / "nowhere.ipynb")
    assert said.code == 2
    assert "does not exist: check the path" in said.out
