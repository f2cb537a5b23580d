"""The program of exercise 16, as its user starts it: exact resume, kill -9, two processes, and bad input said plainly."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "phase1_foundations" / "train_gpt.py"
PATIENCE = 120.0
SMALL = "--block-size 16 --n-layer 2 --n-head 2 --n-embd 16 --batch-size 3 --warmup 2 --steps 9 --log-every 4".split()
SMALL += "--eval-every 0 --save-every 3 --eval-batches 2 --tokens 12 --threads 1".split()


@dataclass(frozen=True)
class Said:
    """How the program ended, and what it said."""

    code: int
    out: str
    err: str


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "FATHOM_ROOT": str(ROOT)}


def train(*words: object, launcher: Sequence[str] = (), **how: Any) -> Said:
    """Run the program to its end."""
    line = [sys.executable, *launcher, str(PROGRAM), *map(str, words)]
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False, **how)
    return Said(done.returncode, done.stdout, done.stderr)


def losses(folder: Path) -> list[tuple[int, float]]:
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [(line["step"], line["loss"]) for line in map(json.loads, lines)]


def refused(said: Said, *words: str) -> None:
    """Exit code 2, one sentence with these words in it, and no traceback."""
    assert said.code == 2, said
    assert said.err.startswith("train_gpt: "), said.err
    assert "Traceback" not in said.err + said.out
    for word in words:
        assert word in said.err, said.err


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four thousand characters of words."""
    draws = random.Random(0)
    words = ["".join(draws.choices("abcdefgh", k=draws.randint(2, 6))) for _ in range(30)]
    place = tmp_path_factory.mktemp("text") / "words.txt"
    place.write_text(" ".join(draws.choices(words, k=900))[:4000], encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def whole(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was never interrupted, with dropout and two micro-batches."""
    folder = tmp_path_factory.mktemp("whole")
    said = train("--data", text, "--out", folder, *SMALL, "--dropout", 0.2, "--micro-batches", 2)
    assert said.code == 0, said
    assert "carry: train_gpt is" in said.out and "carry: gpt is" in said.out
    assert "tokens/s" in said.out and "left" in said.out and "held-out loss" in said.out
    return folder


def test_a_resumed_run_has_the_same_losses_to_the_last_bit(text: Path, whole: Path, tmp_path: Path) -> None:
    flags = ["--data", text, "--out", tmp_path, *SMALL, "--dropout", 0.2, "--micro-batches", 2]
    assert train(*flags, "--stop-after", 5).code == 0
    said = train("--out", tmp_path, "--resume")
    assert said.code == 0, said
    assert "after 5 steps" in said.out
    assert losses(tmp_path) == losses(whole)
    assert [step for step, _ in losses(whole)] == list(range(9))


def test_a_run_killed_while_it_saves_goes_on(text: Path, tmp_path: Path) -> None:
    flags = [
        "--data",
        text,
        "--out",
        tmp_path,
        *SMALL,
        "--n-embd",
        256,
        "--save-every",
        1,
        "--steps",
        1000,
        "--keep",
        3,
    ]
    line = [sys.executable, str(PROGRAM), *map(str, flags)]
    process = subprocess.Popen(line, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if len(list(tmp_path.glob("*.ckpt"))) >= 2 and list(tmp_path.glob("*.ckpt.part")):
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.stderr and process.stderr.read()
    assert list(tmp_path.glob("*.part")), "it was to be killed while a file was half written"
    last = max(tmp_path.glob("*.ckpt"))
    step = int(last.stem.removeprefix("step-"))
    said = train("--out", tmp_path, "--resume", "--stop-after", step + 2)
    assert said.code == 0, said
    assert f"after {step} steps" in said.out
    assert not list(tmp_path.glob("*.part"))
    assert [number for number, _ in losses(tmp_path)] == list(range(step + 2))[-len(losses(tmp_path)) :]


def test_ctrl_c_ends_a_step_whole_and_saves_it(text: Path, tmp_path: Path) -> None:
    flags = ["--data", text, "--out", tmp_path, *SMALL, "--steps", 100_000, "--save-every", 0, "--log-every", 1]
    line = [sys.executable, str(PROGRAM), *map(str, flags)]
    process = subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for printed in process.stdout:
        if printed.startswith("step 3/"):
            process.send_signal(signal.SIGINT)
            break
    rest = process.stdout.read()
    assert process.wait() == 130
    assert "interrupted after" in rest
    (saved,) = tmp_path.glob("*.ckpt")
    assert int(saved.stem.removeprefix("step-")) == len(losses(tmp_path))


def test_two_processes_are_one_with_twice_the_batch(text: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert train("--data", text, "--out", one, *SMALL, "--batch-size", 6).code == 0
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    said = train("--data", text, "--out", two, *SMALL, launcher=launcher)
    assert said.code == 0, said
    assert "2 processes" in said.out
    assert [step for step, _ in losses(two)] == [step for step, _ in losses(one)]
    assert [loss for _, loss in losses(two)] == pytest.approx([loss for _, loss in losses(one)], rel=2e-5)


def test_a_sample_is_the_same_with_and_without_a_cache(whole: Path) -> None:
    flags = ["--out", whole, "--sample", "abc", "--tokens", 30, "--temperature", 0.7]
    ways = [train(*flags), train(*flags, "--no-cache"), train(*flags, "--no-fused")]
    assert {said.code for said in ways} == {0}, ways
    texts = {said.out.split("says what yours lacks.\n")[-1].split("all of it.\n")[-1] for said in ways}
    assert len(texts) == 1
    assert "abc" in texts.pop()
    assert "tokens/s" in ways[0].err


# ---- bad input


def test_an_unknown_flag_is_told_its_neighbour() -> None:
    refused(train("--n-layers", 3), "--n-layers", "did you mean --n-layer?")


def test_impossible_settings_are_refused_before_anything_is_loaded() -> None:
    refused(train("--n-embd", 30, "--n-head", 4), "4 heads", "30")
    refused(train("--steps", "many"), "many")


def test_an_empty_corpus(tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    refused(train("--data", empty, "--out", tmp_path / "run"), "empty.txt is empty")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("abc")
    refused(train("--data", tmp_path / "word.txt", "--out", tmp_path / "run"), "no such file", "words.txt")


def test_a_text_that_is_not_utf_8(tmp_path: Path) -> None:
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"a line\nand caf\xe9s\n" * 50)
    refused(train("--data", latin, "--out", tmp_path / "run", *SMALL), "not UTF-8", "byte 14", "line 2")
    said = train("--data", latin, "--out", tmp_path / "run", *SMALL, "--tokenizer", "bytes")
    assert said.code == 0, said


def test_a_context_longer_than_the_text(text: Path, tmp_path: Path) -> None:
    said = train("--data", text, "--out", tmp_path, *SMALL, "--block-size", 400)
    refused(said, "too short", "400", "--block-size")


def test_a_checkpoint_of_another_configuration(whole: Path) -> None:
    refused(
        train("--out", whole, "--resume", "--n-embd", 32, "--lr", 0.5),
        "another configuration",
        "n_embd is 16",
        "32",
        "lr",
    )


def test_a_run_is_not_overwritten_by_chance(text: Path, whole: Path) -> None:
    refused(train("--data", text, "--out", whole, *SMALL), "--resume", "--fresh")


def test_bad_checkpoints_are_named_and_passed_over(text: Path, whole: Path, tmp_path: Path) -> None:
    files = sorted(whole.glob("*.ckpt"))
    assert len(files) == 2, "two are kept"
    raw = [file.read_bytes() for file in files]
    (tmp_path / files[0].name).write_bytes(raw[0])
    (tmp_path / files[1].name).write_bytes(raw[1][:-1000])
    said = train("--out", tmp_path, "--resume", "--data", text)
    assert said.code == 0, said
    assert (
        f"{files[1].name} is passed over: truncated" in said.out
        and f"resumed from {tmp_path / files[0].name}" in said.out
    )
    for file in tmp_path.glob("*.ckpt"):
        file.unlink()
    (tmp_path / files[0].name).write_bytes(raw[0][:20])
    (tmp_path / files[1].name).write_bytes(raw[1][:-1000] + bytes([raw[1][-1000] ^ 1]) + raw[1][-999:])
    refused(train("--out", tmp_path, "--resume"), "no good checkpoint", "truncated", "damaged")


def test_another_vocabulary(whole: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich. " * 40, encoding="utf-8")
    refused(train("--out", whole, "--resume", "--data", other), "never saw", "vocabulary")
    refused(train("--out", whole, "--sample", "Q"), "the prompt", "'Q'")


def test_a_run_that_explodes(text: Path, tmp_path: Path) -> None:
    said = train("--data", text, "--out", tmp_path, *SMALL, "--lr", 1e30, "--clip", 1e30)
    refused(said, "not finite", "--lr")


def test_a_full_disk(text: Path, tmp_path: Path) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    said = train("--data", text, "--out", tmp_path, *SMALL, preexec_fn=small)
    refused(said, "could not be written", "MB", "--resume")
    assert not list(tmp_path.glob("*.ckpt*"))
    (tmp_path / "run").write_text("a file where a folder should be")
    refused(train("--data", text, "--out", tmp_path / "run", *SMALL), "could not be written")


# ---- the recorded run


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_tiny_shakespeare_in_500_steps(tmp_path: Path) -> None:
    from autograder.datasets import NotFetched, path

    try:
        path("tiny_shakespeare")
    except NotFetched as error:
        pytest.skip(str(error))
    flags = ["--data", "shakespeare", "--out", tmp_path, "--steps", 2000, "--stop-after", 500, "--eval-every", 250]
    line = [sys.executable, str(PROGRAM), *map(str, flags), "--eval-batches", "200"]
    said = subprocess.run(line, env=environment(), capture_output=True, text=True, check=True)
    found = [float(line.split()[-1]) for line in said.stdout.splitlines() if "held-out loss" in line]
    first = losses(tmp_path)[0][1]
    assert first == pytest.approx(4.17, abs=0.05)
    assert found == [pytest.approx(2.445, abs=0.05), pytest.approx(2.30, abs=0.03)]
