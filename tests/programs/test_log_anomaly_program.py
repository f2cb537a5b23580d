"""The log program: what it finds in a log with a fault, and what it says to every kind of bad log."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "phase3_apply" / "log_anomaly.py"


@dataclass(frozen=True)
class Said:
    """How the program ended, what it said, and the report's numbers."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def numbers(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "numbers.json").read_text(encoding="utf-8")))

    @property
    def report(self) -> str:
        return (self.folder / "report.md").read_text(encoding="utf-8")


Run = Callable[..., Said]


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("log_anomaly_program", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@pytest.fixture
def run(
    program: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The program in this process, with two epochs unless told otherwise."""
    monkeypatch.setenv("FATHOM_ROOT", str(PROGRAM.parents[1]))

    def call(*words: object) -> Said:
        line = ["--out", str(tmp_path / "report"), "--epochs", "2", *map(str, words)]
        try:
            code = program.main(line)
        except SystemExit as error:
            code = error.code
        said = capsys.readouterr()
        return Said(int(code or 0), said.out, said.err, tmp_path / "report")

    return call


def app_log(
    sessions: int = 60, odd: int | None = 45, head: str = "2026-01-{day:02d} 10:{minute:02d}:{second:02d} "
) -> list[str]:
    """Lines of an application whose requests run one after the other; the request `odd` never closes its file."""
    rng, lines = random.Random(0), []
    for n in range(sessions):
        texts = [f"INFO req-{n} begins, called from 10.0.0.{rng.randrange(200)}"]
        for _ in range(rng.randrange(1, 5)):
            texts += [f"INFO req-{n} open file{rng.randrange(99)} of {rng.randrange(10**6)} bytes"]
            texts += [f"INFO req-{n} read done"] * rng.randrange(1, 4)
            texts += [] if n == odd else [f"INFO req-{n} close after {rng.randrange(50)} ms"]
        texts += [f"INFO req-{n} ended well, nothing left to say"]
        day = 1 + n // 20
        lines += [
            head.format(day=day, minute=n % 20 * 2 + i // 30, second=i % 30) + text for i, text in enumerate(texts)
        ]
    return lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    place = tmp_path / "app.log"
    place.write_text("\n".join(app_log()) + "\n", encoding="utf-8")
    return place


def test_a_fault_is_found_and_explained(run: Run, log: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    rows = [f"req-{n},{'stuck' if n == 45 else 'normal'}" for n in range(60)]
    labels.write_text("id,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    said = run(log, "--labels", labels, "--epochs", 12)
    assert said.code == 0, said.err
    assert "carry: log_anomaly is" in said.out  # whose functions these are
    assert said.numbers["sessions"] == 60 and said.numbers["faulty"] == 1 and said.numbers["templates"] == 5
    assert said.numbers["alarms"][0] == "req-45"
    assert said.numbers["methods"]["LSTM, surprise"][1] == 1.0
    first = said.report.split("## Alarms")[1].split("###")[1]
    assert "req-45" in first and "known to be faulty" in first and "close after" in first
    for name in ("methods", "budget", "sessions", "twins", "templates", "drift"):
        assert f"({name}.png)" in said.report and (said.folder / f"{name}.png").stat().st_size > 1000
    assert said.numbers["warnings"] == []


def test_no_session_is_on_two_sides(program: ModuleType) -> None:
    from phase3_apply.anomaly import detecting
    from phase3_apply.anomaly.lesson import lesson
    from phase3_apply.anomaly.sessions import Sessions

    rng = random.Random(1)
    keys = [[rng.randrange(3) for _ in range(rng.randrange(2, 5))] for _ in range(300)] + [[9, 9]] * 90
    sessions = Sessions([str(i) for i in range(390)], keys, [], [False] * 390, [i % 50 == 0 for i in range(390)])
    sides = detecting.dealt(lesson(), sessions, 0)
    kinds = [{tuple(keys[i]) for i in side} for side in (sides.train, sides.valid, sides.test)]
    assert not kinds[0] & kinds[1] and not kinds[0] & kinds[2] and not kinds[1] & kinds[2]
    assert (9, 9) in kinds[0] and sides.usual == 1  # what is most usual is not held out
    assert sorted(sides.train + sides.valid + sides.test + sides.odd) == list(range(390))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n  \n\n", "is empty"),
        (b"2026-01-01 10:00:00 started\n", "has one line"),
        (b"a\nb\nc\n" * 4, "at least 5 are needed"),
    ],
)
def test_a_log_that_says_nothing_is_refused(run: Run, tmp_path: Path, content: bytes, words: str) -> None:
    place = tmp_path / "short.log"
    place.write_bytes(content)
    said = run(place)
    assert said.code == 2
    last = said.err.strip().splitlines()[-1]
    assert last.startswith("log_anomaly: ") and words in last
    assert "Traceback" not in said.err


def test_a_log_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    said = run(tmp_path / "nowhere.log")
    assert said.code == 2 and "does not exist" in said.err


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--session", "("], "no regular expression"),
        (["--budget", "3"], "no share"),
        (["--epochs", "0"], "less than 1"),
        (["--labels", "nowhere.csv"], "no such file"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(run: Run, log: Path, words: list[str], answer: str) -> None:
    said = run(log, *words)
    assert said.code == 2 and answer in said.err


def test_labels_of_another_log_are_refused(run: Run, log: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\nblk_1,Anomaly\nblk_2,Normal\n", encoding="utf-8")
    said = run(log, "--labels", labels)
    assert said.code == 2 and "none of the 2 labels belongs" in said.err


def test_another_encoding_is_read_and_named(run: Run, log: Path) -> None:
    text = log.read_text(encoding="utf-8").replace("ended well", "beendet für heute")
    log.write_bytes(text.encode("latin-1"))
    said = run(log)
    assert said.code == 0 and said.numbers["warnings"] == ["encoding"]
    assert "warning [encoding]" in said.err and "0xfc" in said.err and "für heute" in said.report


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_byte_order_mark_says_the_encoding(run: Run, log: Path, encoding: str) -> None:
    log.write_text(log.read_text(encoding="utf-8"), encoding=encoding)
    said = run(log)
    assert said.code == 0 and said.numbers["warnings"] == [] and said.numbers["sessions"] == 60


def test_a_clock_that_jumps_is_named(run: Run, log: Path) -> None:
    lines = log.read_text(encoding="utf-8").splitlines()
    lines[150:] = [line.replace("2026-01", "2024-01") for line in lines[150:]]
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    said = run(log)
    assert said.code == 0 and said.numbers["warnings"] == ["clock"]
    assert "jumps back by 73" in said.err and "line 151" in said.err


def test_lines_without_sessions_are_cut_into_pieces_and_it_says_so(run: Run, log: Path) -> None:
    text = log.read_text(encoding="utf-8").replace("req-", "request number ")
    log.write_text(text, encoding="utf-8")
    said = run(log)
    assert said.code == 0 and "no-sessions" in said.numbers["warnings"]
    said = run(log, "--session", r"number (\d+)")
    assert said.code == 0 and said.numbers["sessions"] == 60 and said.numbers["warnings"] == []


def test_a_folder_is_read_file_by_file(run: Run, log: Path, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    (folder / "old").mkdir(parents=True)
    lines = log.read_text(encoding="utf-8").splitlines()
    (folder / "old" / "a.log").write_text("\n".join(lines[:100]) + "\n", encoding="utf-8")
    (folder / "b.log").write_text("\n".join(lines[100:]) + "\n", encoding="utf-8")
    (folder / "core").write_bytes(b"\0\1\2" * 50)
    (folder / "c.log").write_bytes(b"")
    said = run(folder)
    assert said.code == 0 and said.numbers["lines"] == len(lines)
    assert sorted(said.numbers["warnings"]) == ["empty", "skipped"]


def test_sessions_may_come_as_keys(run: Run, tmp_path: Path) -> None:
    rng = random.Random(2)
    good = [[1, *rng.choices([2, 3], k=rng.randrange(2, 6)), 4] for _ in range(80)]
    files = {"good": good, "bad": [[1, 9, 4], [1]]}
    for name, sessions in files.items():
        text = "".join(" ".join(map(str, s)) + " \n" for s in sessions)
        (tmp_path / name).write_text(text.replace("1 \n", "1 1 \n"), encoding="utf-8")
    said = run(tmp_path / "good", "--labels", tmp_path / "bad", "--epochs", 6)
    assert said.code == 0, said.err
    assert said.numbers["sessions"] == 82 and said.numbers["faulty"] == 2
    assert said.numbers["methods"]["a template that training never saw"][1] == 0.5
    assert "session 81" in said.numbers["alarms"]


def test_formats_are_told_apart() -> None:
    from phase3_apply.anomaly.formats import are_keys, detected

    lines = {
        "HDFS": "081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_38 terminating",
        "BGL": "- 1117838570 2005.06.03 R02-M1 2005-06-03-15.42.50.675872 R02-M1 RAS KERNEL INFO cache error corrected",
        "syslog": "Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 173.234.31.186",
        "dated": "[2026-01-02T03:04:05.678+01:00] INFO it runs",
        "plain": "whatever anybody writes",
    }
    for name, line in lines.items():
        found = detected([line] * 3)
        match = found.head.match(line)
        assert found.name == name and match is not None
        assert found.clock is None or found.clock(match["time"]) > 0
    assert are_keys(["5 5 22", "5 22 5 "]) and not are_keys(["5 5 22", "5 b"])


def test_the_end_of_december_is_no_jump(run: Run, tmp_path: Path) -> None:
    place = tmp_path / "sys.log"
    lines = app_log(head="Dec 31 23:{minute:02d}:{second:02d} host app[{day}]: ")
    late = app_log(sessions=30, odd=None, head="Jan  1 00:{minute:02d}:{second:02d} host app[{day}]: ")
    ordered = [line for day in (1, 2, 3) for line in lines if f"app[{day}]" in line and day == 1] + [
        line for line in late if "app[1]" in line
    ]
    place.write_text("\n".join(ordered) + "\n", encoding="utf-8")
    said = run(place, "--session", r"req-\d+")
    assert said.code == 0 and "clock" not in said.numbers["warnings"]


DATA = os.environ.get("FATHOM_DATA", "")
needs_data = pytest.mark.skipif(not DATA, reason="FATHOM_DATA names no folder with the real logs")


@needs_data
@pytest.mark.parametrize(
    ("system", "lines", "least", "sessions", "warnings"),
    [
        ("HDFS", 2000, 0.99, 100, {"short-sessions"}),
        ("BGL", 2000, 0.96, 100, {"short-sessions"}),
        ("OpenSSH", 2000, 0.78, 519, set()),
    ],
)
def test_real_samples(run: Run, system: str, lines: int, least: float, sessions: int, warnings: set[str]) -> None:
    place = Path(DATA, "loghub", f"{system}_2k.log")
    if not place.exists():
        pytest.skip(f"{place} is not there")
    said = run(place, "--labels", place.with_name(f"{system}_2k.log_structured.csv"))
    assert said.code == 0, said.err
    assert said.numbers["lines"] == lines and said.numbers["sessions"] == sessions
    assert said.numbers["grouping accuracy"] >= least
    assert set(said.numbers["warnings"]) - {"budget"} == warnings
    if system == "BGL":
        assert said.numbers["faulty"] == 28


@needs_data
@pytest.mark.slow
def test_hdfs_sessions_with_and_without_the_leak(run: Run) -> None:
    """The numbers that the lesson states."""
    place = Path(DATA, "deeplog", "deeplog_hdfs_train")
    if not place.exists():
        pytest.skip(f"{place} is not there")
    said = run(place, "--labels", place.with_name("deeplog_hdfs_test_abnormal"), "--epochs", 10)
    assert said.code == 0, said.err
    twins, methods = said.numbers["twins"], said.numbers["methods"]
    assert (twins["held out"], twins["copies"]) == (971, 860)
    assert twins["all"] == pytest.approx([0.263, 0.897, 0.004], abs=0.02)
    assert twins["new"] == pytest.approx([0.581, 0.778, 0.036], abs=0.03)
    assert methods["… or fewer than 10 lines"] == pytest.approx([0.0, 0.8365], abs=1e-3)
    assert methods["a step that training never saw"] == pytest.approx([0.004, 0.958], abs=5e-3)
    assert methods["constant top 9, padding counts"] == pytest.approx([0.203, 0.993], abs=5e-3)
    assert methods["LSTM, surprise"][1] > 0.99 and methods["LSTM, surprise"][0] < 0.03
