"""The program of exercise 21, as its user starts it: our own GPT, tiny Llama and Mistral models, and bad input said plainly."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long(5)

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "phase2_llm_projects" / "lora_finetune.py"
PATIENCE = 120.0
TINY = "--steps 2 --batch-size 2 --samples 2 --length 20 --threads 1 --rank 2".split()
OURS = [*TINY, *"--base-steps 2 --width 16 --layers 1".split()]


@dataclass(frozen=True)
class Said:
    """How the program ended, and what it said."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    quiet = {"OMP_NUM_THREADS": "1", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg"}
    return {**os.environ, "PYTHONPATH": path, "FATHOM_ROOT": str(ROOT), **quiet, **more}


def tune(*words: object, **more: str) -> Said:
    """Run the program to its end."""
    line = [sys.executable, str(PROGRAM), *map(str, words)]
    done = subprocess.run(
        line, env=environment(**more), capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT
    )
    return Said(done.returncode, done.stdout, done.stderr)


def refused(said: Said, *words: str) -> None:
    """Exit code 2, one sentence with these words in it, and no traceback."""
    assert said.code == 2, said
    assert said.err.startswith("lora_finetune: "), said.err
    assert said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err + said.out
    for word in words:
        assert word in said.err, said.err


def reported(out: Path) -> dict[str, Any]:
    """The numbers of a report that is complete."""
    text = (out / "report.md").read_text()
    for picture in ("learning.png", "before_and_after.png", "rank.png"):
        assert f"({picture})" in text
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
    found = json.loads((out / "numbers.json").read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course of its own, so that no base is kept in the real one."""
    root = tmp_path_factory.mktemp("course")
    for name in (
        "autograder solutions phase1_foundations phase2_llm_projects phase3_apply pyproject.toml constraints.txt"
    ).split():
        (root / name).symlink_to(ROOT / name)
    return root


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    for number in range(6):
        (folder / f"step{number}.py").write_text(f'"""Print the number {number}."""\nprint({number})\n')
        (folder / f"step{number}.sh").write_text(f"#!/bin/sh\n# Print the number {number}.\necho {number}\n")
    return folder


def test_our_own_gpt_is_trained_once_tuned_and_reported(home: Path, scripts: Path, tmp_path: Path) -> None:
    place = {"FATHOM_ROOT": str(home)}
    words = [*OURS, "--context", 96, "--scripts", scripts, "--out", tmp_path]
    first = tune(*words, **place)
    assert first.code == 0, first
    assert "Training the base" in first.out
    found = reported(tmp_path)
    assert found["adapters off"]["old"] == pytest.approx(found["before"]["old"], abs=1e-6)
    assert found["trained"] == 2 * (4 * 16 + 2 * 16 + 2 * 5 * 16)  # c_attn, attn.c_proj, c_fc and mlp.c_proj
    assert len(found["losses"]) == 2
    assert len(list((tmp_path / "scripts").iterdir())) == 2
    assert (tmp_path / "adapters.safetensors").exists()

    again = tune(*words, **place)
    assert again.code == 0, again
    assert "Training the base" not in again.out
    assert reported(tmp_path)["losses"] == found["losses"]

    (base,) = (home / ".fathom" / "lora_finetune").glob("base-*.safetensors")
    raw = bytearray(base.read_bytes())
    raw[-5] ^= 255
    base.write_bytes(raw)
    mended = tune(*words, **place)
    assert mended.code == 0, mended
    assert "is damaged" in mended.out
    assert reported(tmp_path)["losses"] == found["losses"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny Llama and Mistral models with random weights and a tokenizer of letters, saved as anybody's are."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    pytest.importorskip("peft")
    folder = tmp_path_factory.mktemp("models")
    letters = {token: n for n, token in enumerate(["<s>", "</s>", "<unk>", *map(chr, range(32, 127)), "\n"])}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(letters, unk_token="<unk>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"[\s\S]"), "isolated")
    inner.decoder = tokenizers.decoders.Fuse()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    size = {"vocab_size": len(letters), "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    size |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 160}
    for name, config, kind in (
        ("llama", transformers.LlamaConfig, transformers.LlamaForCausalLM),
        ("mistral", transformers.MistralConfig, transformers.MistralForCausalLM),
    ):
        torch.manual_seed(0)
        kind(config(**size, bos_token_id=0, eos_token_id=1)).save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_a_model_of_hugging_faces_is_tuned(name: str, small: Path, scripts: Path, tmp_path: Path) -> None:
    words = ["--model", small / name, "--scripts", scripts, "--language", "both", "--targets", "q_proj,v_proj"]
    said = tune(*words, *TINY, "--out", tmp_path)
    assert said.code == 0, said
    found = reported(tmp_path)
    assert found["trained"] == 2 * 2 * ((16 + 16) + (16 + 8))  # two blocks, rank 2, queries and grouped values
    assert found["adapters off"]["old"] == pytest.approx(found["before"]["old"], abs=1e-6)
    assert found["after"]["new"] != found["before"]["new"]
    assert (tmp_path / "adapters" / "adapter_config.json").exists()


@pytest.mark.parametrize(("bits", "told"), [(4, "4-bit (nf4) on"), (16, "bfloat16 on")])
def test_a_model_is_tuned_with_weights_of_fewer_bits(
    bits: int, told: str, small: Path, scripts: Path, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    said = tune(
        "--model", small / "llama", "--bits", bits, "--scripts", scripts, "--language", "both", *TINY, "--out", tmp_path
    )
    assert said.code == 0, said
    assert told in said.out
    found = reported(tmp_path)
    assert found["adapters off"]["new"] == pytest.approx(found["before"]["new"], abs=1e-6)
    assert found["after"]["new"] != found["before"]["new"]


def test_a_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    refused(tune("--model", tmp_path / "nowhere", *TINY), "nowhere", "no such folder")
    (tmp_path / "empty").mkdir()
    refused(tune("--model", tmp_path / "empty", *TINY), "config.json")


def test_no_network_is_said(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    cold = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    cold |= dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "")
    refused(tune("--model", "nobody/nothing-7b", *TINY, **cold), "nobody/nothing-7b", "could not be fetched", "folder")


def test_a_damaged_checkpoint_is_said(small: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in (small / "llama").iterdir():
        raw = file.read_bytes()
        (damaged / file.name).write_bytes(raw[: len(raw) // 2] if file.suffix == ".safetensors" else raw)
    refused(tune("--model", damaged, *TINY), "damaged")


def test_wrong_words_are_said(scripts: Path, small: Path, tmp_path: Path) -> None:
    refused(tune("--rank", 0), "--rank is 0")
    refused(tune("--alpha", "-1"), "--alpha")
    refused(tune("--rnak", 3), "--rnak", "--help")
    refused(tune(*OURS, "--scripts", tmp_path / "none"), "there is no folder")
    refused(
        tune("--model", small / "llama", *TINY, "--scripts", scripts, "--targets", "k"), "names no Linear", "q_proj"
    )
    (tmp_path / "file").write_text("")
    refused(tune(*OURS, "--out", tmp_path / "file"), "--out", "cannot be written to")


def test_help_names_every_flag() -> None:
    said = tune("--help")
    assert said.code == 0
    for flag in "--model --scripts --rank --alpha --targets --steps --out".split():
        assert flag in said.out


def test_scripts_are_parsed_and_run_in_the_sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in (ROOT / "phase1_foundations", ROOT / "phase2_llm_projects"):
        monkeypatch.syspath_prepend(str(folder))
    from tuning.task import Job
    from tuning.trying import sandbox, tried

    from phase2_llm_projects import bank

    trace = tmp_path / "trace"
    python, shell = Job("", "", "python"), Job("", "", "shell")
    one = next(script.text for script in bank.load().scripts if script.language == "python")
    other = next(script.text for script in bank.load().scripts if script.language == "shell")
    ast.parse(one)
    with sandbox(True, print) as zygote:
        if zygote is None:
            pytest.skip("this machine has no sandbox")
        good = tried(python, one, True, zygote)
        assert (good.parses, good.runs) == (True, True), good
        assert "done" in good.said
        harmful = f"import pathlib\npathlib.Path({str(trace)!r}).write_text('here')\n"
        bad = tried(python, harmful, True, zygote)
        assert (bad.parses, bad.runs) == (True, False), bad
        assert not trace.exists()
        assert tried(python, "def f(:\n", True, zygote).parses is False
        assert tried(python, "1 / 0\n", True, zygote).runs is False
        assert tried(python, "while True: pass\n", True, zygote).runs is False
    assert tried(shell, other, True, None).parses is not False
    assert tried(shell, "for host in; do\n", True, None).parses is not True
    assert tried(shell, "", True, None).parses is False
