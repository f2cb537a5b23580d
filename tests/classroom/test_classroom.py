"""Grading a class: what is found, what is kept, what comes out, and what a crash or a lost machine costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder import curriculum
from autograder.classroom import feedback, summary
from autograder.classroom.collecting import collect
from autograder.observe import locked

WRONG = "def halvings(n):\n    return n.bit_length()"
Class = Callable[..., Path]


@pytest.fixture(autouse=True)
def lockable() -> None:
    """A machine that can lock."""
    try:
        locked.command()
    except locked.NoLock as reason:
        pytest.skip(str(reason))


@pytest.fixture
def students(tmp_path: Path, made: Any) -> Class:
    """Writes a class of submissions: names and their cells."""

    def write(layout: str = "{}/tally.py", **cells: dict[str, str]) -> Path:
        folder = tmp_path / "class"
        for name, own in cells.items():
            path = folder / layout.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made.answers(**own))
        return folder

    return write


def without_seconds(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in one.items() if key != "seconds"} for one in document["submissions"]]


def test_a_class_is_graded_in_one_go(fathom: Any, students: Class, tmp_path: Path) -> None:
    folder, out = students(anna={}, ben={"halvings": WRONG}), tmp_path / "out"
    said = fathom("grade", folder, "--out", out, "--seed", 5, "--json")
    assert said.code == 1
    anna, ben = said.document["submissions"]
    assert (anna["points"], ben["points"], ben["parts"][3]["bug"]) == (7, 6, "starts-at-one")
    assert "seed 5" in said.err
    assert json.loads((out / "run.json").read_text()) == {"seed": 5, "finished": True}
    assert "Counting begins at one." in (out / "feedback" / "ben" / "tally.md").read_text()
    assert "<svg" in (out / "summary.html").read_text()
    assert (out / "grades.csv").read_text().splitlines()[2].startswith("ben,tally,6,7,")
    assert json.loads((out / "grades.json").read_text()) == said.document


def test_the_same_seed_gives_the_same_document_and_another_gives_other_inputs(
    fathom: Any, students: Class, tmp_path: Path
) -> None:
    wrong = {"running": "def running(values):\n    return values"}
    folder = students(anna={}, ben=wrong)
    runs = [
        fathom("grade", folder, "--out", tmp_path / str(n), "--seed", seed, "--json")
        for n, seed in enumerate((8, 8, 9))
    ]
    first, second, third = (without_seconds(run.document) for run in runs)
    assert first == second != third


def test_a_run_that_was_killed_goes_on_where_it_ended(fathom: Any, students: Class, tmp_path: Path) -> None:
    slow = {"halvings": "def halvings(n):\n    time.sleep(0.4)\n    return n.bit_length() - 1"}
    folder, out = (
        students(**{f"s{n}": slow | {"mean": f"@method(Tally)\ndef mean(self):\n    return {n}"} for n in range(8)}),
        tmp_path / "out",
    )
    process = fathom.start("grade", folder, "--out", out, "--jobs", 1, "--json")
    deadline = time.monotonic() + 60
    while len(list(out.glob("results/*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    kept = {file.name: file.stat().st_mtime_ns for file in out.glob("results/*.json")}
    assert 2 <= len(kept) < 8
    seed = json.loads((out / "run.json").read_text())["seed"]
    said = fathom("grade", folder, "--out", out, "--json")
    assert f"seed {seed};" in said.err
    assert len(said.document["submissions"]) == 8
    after = {file.name: file.stat().st_mtime_ns for file in out.glob("results/*.json")}
    assert kept.items() <= after.items(), "what was kept is not graded again"
    assert len(after) == 8
    again = fathom("grade", folder, "--out", out, "--json")
    assert f"seed {seed};" not in again.err, "a finished run is followed by one with a seed of its own"


@pytest.mark.parametrize(
    ("layout", "below"),
    [("{}/tally.py", ""), ("submitted/{}/tally/01_tally.py", ""), ("{}_tally.py", ""), ("{}/x.py", "")],
)
def test_every_layout_is_read(course: Path, students: Class, layout: str, below: str) -> None:
    folder = students(layout, anna={}, ben={})
    known = curriculum.load(course).exercises
    found = collect(folder, known, known)
    assert [(one.student, one.exercise.name) for one in found.handed] == [("anna", "tally"), ("ben", "tally")]
    assert found.passed_over == ()


def test_without_a_lock_nothing_is_graded(fathom: Any, students: Class, tmp_path: Path) -> None:
    env = next(str(Path(place, "env")) for place in os.environ["PATH"].split(os.pathsep) if Path(place, "env").exists())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "env").symlink_to(env)
    folder = students(anna={})
    said = fathom("grade", folder, "--out", tmp_path / "out", PATH=str(tmp_path / "bin"))
    assert said.code == 2
    assert "apt install bubblewrap" in said.err and "--trust" in said.err
    trusted = fathom("grade", folder, "--out", tmp_path / "out", "--trust", "--json", PATH=str(tmp_path / "bin"))
    assert trusted.code == 0 and "NOTHING is locked" in trusted.err
    assert trusted.document["submissions"][0]["points"] == 7


def test_nothing_to_grade_is_said(fathom: Any, tmp_path: Path) -> None:
    assert fathom("grade", tmp_path / "none").code == 2
    (tmp_path / "empty").mkdir()
    said = fathom("grade", tmp_path / "empty")
    assert said.code == 2 and "holds no notebook" in said.err


def test_a_lost_machine_loses_no_grade(
    fathom: Any, students: Class, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    slow = "def halvings(n):\n    time.sleep(0.1)\n    return n.bit_length() - 1"
    cells = {f"s{n:02d}": {"halvings": slow} if n % 3 else {"halvings": WRONG} for n in range(24)}
    folder, out = students(**cells), tmp_path / "out"
    monkeypatch.setenv("PYTHONPATH", fathom.environment["PYTHONPATH"])
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        words = [
            "grade",
            folder,
            "--out",
            out,
            "--seed",
            5,
            "--jobs",
            1,
            "--json",
            "--scheduler",
            cluster.scheduler_address,
        ]
        process = fathom.start(*words)
        deadline = time.monotonic() + 60
        with distributed.Client(cluster) as client:
            while not any(client.processing().values()) and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(2.0)
            victim = next(iter(client.run(os.getpid).values()))
            os.kill(victim, signal.SIGKILL)
            out_text, told = process.communicate(timeout=120)
    assert process.returncode == 1, told
    reports = json.loads(out_text)["submissions"]
    assert [report["points"] for report in reports] == [7 if n % 3 else 6 for n in range(24)]
    assert [Path(report["path"]).parts[-2] for report in reports] == sorted(cells)


@pytest.mark.parametrize("name", ["../up", "a/b", "=x", "", "ä", "x" * 300, "<b>", "con\n", ".hidden", "anna"])
def test_a_name_makes_one_harmless_file_name(name: str) -> None:
    made = feedback.file_name(name)
    assert made and "/" not in made and not made.startswith((".", "-")) and len(made) < 90 and made.isascii()


def test_names_that_differ_make_file_names_that_differ() -> None:
    assert len({feedback.file_name(name) for name in ("a b", "a_b", "a?b", "a b ")}) == 4


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\r=1", "＝1", "|x", "\n@x"])
def test_a_spreadsheet_sees_no_formula(cell: str) -> None:
    assert summary.harmless(cell).startswith("'")


def test_text_in_a_fence_stays_in_it() -> None:
    lines = feedback.fenced("```\n# out\n`````")
    assert lines[0].startswith("``````") and lines[-1] == lines[0].removesuffix("text")


def test_plain_markdown_escapes_what_acts() -> None:
    assert feedback.plain("[a](b) <c> `d`\n# e") == r"\[a\]\(b\) &lt;c&gt; \`d\` \# e"


def test_python_is_the_one_that_runs() -> None:
    assert os.path.realpath(sys.executable) in locked.command()
    assert subprocess.run([*locked._sandbox(()), "print(1)"], capture_output=True).stdout == b"1\n"
