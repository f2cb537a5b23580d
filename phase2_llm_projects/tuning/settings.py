"""What can be asked for on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from training.trouble import Trouble

LANGUAGES = ("python", "shell", "both")
BITS = (4, 16, 32)
EPILOG = "Without --model, a small GPT of exercise 15 is trained first, in a few minutes on two cores, and kept for later runs."


@dataclass(frozen=True)
class Settings:
    """One run. Bits, rates and targets that are None depend on the model."""

    model: str
    bits: int | None
    scripts: str
    language: str
    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...] | None
    steps: int
    batch: int
    rate: float | None
    samples: int
    length: int
    base_steps: int
    context: int
    width: int
    layers: int
    seed: int
    threads: int
    out: Path | None


class Parser(argparse.ArgumentParser):
    """Raises Trouble where argparse would exit."""

    def error(self, message: str) -> NoReturn:
        raise Trouble(f"{message}; --help lists every flag")


def parser() -> Parser:
    """All flags, with what they are without being given."""
    made = Parser(
        prog="fathom run lora_finetune",
        allow_abbrev=False,
        description="Teach a language model to write release scripts by LoRA, and report what it learned and forgot.",
        epilog=EPILOG,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument(
        "--model",
        default="",
        help="a causal model of Hugging Face's, by name or folder: Llama-2, Mistral, …; without it, our own GPT",
    )
    made.add_argument(
        "--bits",
        type=int,
        choices=BITS,
        help="of a weight of --model; without it 4 on CUDA (16 where bitsandbytes is missing), 32 on the CPU",
    )
    made.add_argument("--scripts", default="", help="a folder of your own .sh and .py files, instead of the bank's")
    made.add_argument("--language", default="python", choices=LANGUAGES, help="which scripts to learn")
    made.add_argument("--rank", type=int, default=8, help="width of the bottleneck")
    made.add_argument("--alpha", type=float, default=16.0, help="the update is multiplied by alpha / rank")
    made.add_argument("--dropout", type=float, default=0.0, help="share dropped of what enters an adapter, in training")
    made.add_argument(
        "--targets",
        default="",
        help="which Linears, by the ends of their names, with commas between; without it c_attn,c_proj,c_fc in our "
        "GPT, and every Linear but the head in others",
    )
    made.add_argument("--steps", type=int, default=400, help="steps of fine-tuning")
    made.add_argument("--batch-size", dest="batch", type=int, default=8, help="rows of one step")
    made.add_argument(
        "--lr", dest="rate", type=float, help="highest rate; without it 5e-3 for our GPT, 2e-4 for others"
    )
    made.add_argument("--samples", type=int, default=24, help="scripts that are written before and after")
    made.add_argument("--length", type=int, default=400, help="longest script that is written, in tokens")
    made.add_argument("--base-steps", type=int, default=1000, help="our GPT: steps of its own training")
    made.add_argument("--context", type=int, default=336, help="tokens that are looked at")
    made.add_argument("--width", type=int, default=128, help="our GPT: channels")
    made.add_argument("--layers", type=int, default=4, help="our GPT: blocks")
    made.add_argument("--seed", type=int, default=0, help="where chance begins")
    made.add_argument("--threads", type=int, default=0, help="threads on the CPU; 0 leaves it to torch")
    made.add_argument(
        "--out", type=Path, help="folder of the report; without it .fathom/lora_finetune/report of the course"
    )
    return made


def settings(words: Sequence[str]) -> Settings:
    """Read the flags; Trouble names one that cannot be."""
    found = vars(parser().parse_args(words))
    found["targets"] = tuple(filter(None, (word.strip() for word in found["targets"].split(",")))) or None
    asked = Settings(**found)
    for name in ("rank", "steps", "batch", "samples", "length", "base_steps", "context", "width", "layers"):
        if getattr(asked, name) < 1:
            flag = {"batch": "batch-size"}.get(name, name.replace("_", "-"))
            raise Trouble(f"--{flag} is {getattr(asked, name)}; it has to be at least 1")
    if not 0 < asked.alpha < float("inf") or (asked.rate is not None and not 0 < asked.rate < float("inf")):
        raise Trouble("--alpha and --lr have to be more than 0")
    if not 0 <= asked.dropout < 1:
        raise Trouble(f"--dropout is {asked.dropout}; it has to be at least 0 and less than 1")
    if asked.width % 4:
        raise Trouble(f"--width is {asked.width}; its four heads share it, so it has to be a multiple of 4")
    return asked
