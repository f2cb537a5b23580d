"""Every setting of a run, once: its default, its flag and its help are all made from this one list."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

from training.trouble import Trouble


def setting(default: Any, text: str, fixed: bool = False) -> Any:
    """A field; `fixed` ones cannot change when a run is resumed, for it would be another run."""
    return field(default=default, metadata={"help": text, "fixed": fixed})


@dataclass(frozen=True)
class Config:
    """The settings of one run. The defaults are a small GPT that reads Shakespeare on a laptop in a few minutes."""

    # what is read, and where the run is kept
    data: str = setting("", "a text file, `shakespeare` (`fathom data fetch tiny_shakespeare`), or `prose`, which needs no "
                            "network; without it the first of the two that is here")  # fmt: skip
    tokenizer: str = setting("characters", "`characters` of the text, or `bytes`, which reads any file", fixed=True)
    out: str = setting("", "the folder of checkpoints, log and token files; without it .fathom/train_gpt of the course")

    # the model; row for row GPTConfig of exercise 15
    block_size: int = setting(64, "the most tokens that it looks at", fixed=True)
    n_layer: int = setting(4, "blocks", fixed=True)
    n_head: int = setting(4, "heads of each attention; they share the width", fixed=True)
    n_embd: int = setting(128, "width: channels of each token", fixed=True)
    dropout: float = setting(
        0.0, "share dropped in training; 0 for small data sets seen once, 0.2 for many epochs", fixed=True
    )
    bias: bool = setting(False, "biases in Linears and norms", fixed=True)

    # the training
    batch_size: int = setting(12, "windows of one micro-batch, in each process", fixed=True)
    micro_batches: int = setting(1, "micro-batches that are gathered for one step", fixed=True)
    steps: int = setting(2000, "steps in all; the rate reaches its floor at the last one", fixed=True)
    lr: float = setting(1e-3, "the rate after the warm-up", fixed=True)
    min_lr: float = setting(1e-4, "the rate at the end", fixed=True)
    warmup: int = setting(100, "steps of warm-up", fixed=True)
    weight_decay: float = setting(0.1, "pull of AdamW on everything with two axes or more", fixed=True)
    beta1: float = setting(0.9, "memory of AdamW for the gradient", fixed=True)
    beta2: float = setting(0.99, "and for its square; 0.95 for large batches", fixed=True)
    clip: float = setting(1.0, "longest gradient that is stepped on", fixed=True)
    seed: int = setting(1337, "where chance begins", fixed=True)

    # what is told, and how often
    log_every: int = setting(10, "steps between two looks at the loss; to look is to wait for the device")
    eval_every: int = setting(250, "steps between two evaluations, each with a sample")
    eval_batches: int = setting(50, "batches of held-out text in an evaluation, always the same ones")
    save_every: int = setting(250, "steps between two checkpoints")
    keep: int = setting(2, "checkpoints that are kept")
    stop_after: int = setting(0, "stop and save after this many steps, as if interrupted; 0 for the whole run")

    # the machine
    device: str = setting("auto", "`cpu`, `cuda`, or `auto` for the best there is")
    dtype: str = setting("auto", "`float32`, `bfloat16`, or `auto`: bfloat16 where a GPU has it", fixed=True)
    fused: bool = setting(True, "the library's fused kernels in the place of your attention and gelu, where they agree")
    compile: bool = setting(
        False, "torch.compile the model: a minute of waiting, then faster; needs a C++ compiler or a GPU"
    )
    threads: int = setting(0, "threads of a process on the CPU; 0 leaves it to torch")

    # instead of a new run
    resume: bool = setting(False, "go on from the newest good checkpoint; settings come from it")
    fresh: bool = setting(False, "begin anew though the folder holds checkpoints, and remove them")
    sample: str = setting("", "do not train: continue this prompt, with the newest good checkpoint")
    tokens: int = setting(256, "length of a sample")
    temperature: float = setting(0.8, "of the sample; below 1 plays safe")
    top_k: int = setting(0, "draw from the k most probable tokens only; 0 for all")
    cache: bool = setting(True, "keep keys and values while writing")


HINTS = typing.get_type_hints(Config)
OF_THIS_CALL = ("out", "stop_after", "resume", "fresh", "sample")  # what a checkpoint's settings do not speak for
FIXED = tuple(f.name for f in fields(Config) if f.metadata["fixed"])


class Parser(argparse.ArgumentParser):
    """Raises Trouble where argparse would exit."""

    def error(self, message: str) -> NoReturn:
        raise Trouble(f"{message}; --help lists every flag")


def parser() -> Parser:
    """One flag for each setting."""
    made = Parser(prog="train_gpt", allow_abbrev=False, argument_default=argparse.SUPPRESS, description=(
        "Train a GPT on a text, on your own parts of exercises 15 and 16 where they pass. Several processes: "
        "torchrun --nproc-per-node 2 phase1_foundations/train_gpt.py …"))  # fmt: skip
    for f in fields(Config):
        kind = HINTS[f.name]
        text = f.metadata["help"].replace("%", "%%")
        told = f"{text} [{f.default}]" if f.default not in ("", True, False) else text
        flag = "--" + f.name.replace("_", "-")
        if kind is bool:
            made.add_argument(flag, dest=f.name, action=argparse.BooleanOptionalAction, help=told)
        else:
            made.add_argument(flag, dest=f.name, type=kind, metavar=kind.__name__.upper(), help=told)
    return made


def parse(words: Sequence[str]) -> dict[str, Any]:
    """The settings that were given as flags; Trouble names the nearest flag to an unknown one."""
    made = parser()
    found, unknown = made.parse_known_args(words)
    if unknown:
        flag = unknown[0].split("=")[0]
        known = [option for action in made._actions for option in action.option_strings]
        near = difflib.get_close_matches(flag, known, 1)
        raise Trouble(
            f"there is no flag {flag}{f'; did you mean {near[0]}?' if near else ''} (--help lists every flag)"
        )
    return vars(found)


def settled(given: Mapping[str, Any]) -> Config:
    """A config from settings by name, the rest at their defaults; Trouble for values that cannot be."""
    config = Config(**given)
    for (
        name
    ) in "block_size n_layer n_head n_embd batch_size micro_batches steps log_every eval_batches keep tokens".split():
        if getattr(config, name) < 1:
            raise Trouble(f"--{name.replace('_', '-')} is {getattr(config, name)}; it has to be at least 1")
    for name in "warmup eval_every save_every stop_after threads top_k weight_decay min_lr".split():
        if not getattr(config, name) >= 0:
            raise Trouble(f"--{name.replace('_', '-')} is {getattr(config, name)}; it cannot be negative")
    for name in "lr clip temperature".split():
        if not getattr(config, name) > 0:
            raise Trouble(f"--{name} is {getattr(config, name)}; it has to be more than 0")
    if config.n_embd % config.n_head:
        raise Trouble(
            f"{config.n_head} heads cannot share a width of {config.n_embd} evenly; change --n-head or --n-embd"
        )
    for name in ("dropout", "beta1", "beta2"):
        if not 0 <= getattr(config, name) < 1:
            raise Trouble(f"--{name} is {getattr(config, name)}; it has to be at least 0 and less than 1")
    if config.warmup >= config.steps:
        raise Trouble(
            f"{config.warmup} steps of warm-up leave nothing of {config.steps}; lower --warmup or raise --steps"
        )
    for name, values in (
        ("tokenizer", ("characters", "bytes")),
        ("device", ("auto", "cpu", "cuda")),
        ("dtype", ("auto", "float32", "bfloat16")),
    ):
        if getattr(config, name) not in values:
            raise Trouble(f"--{name} is {getattr(config, name)!r}; it can be {', '.join(values)}")
    return config


def resumed(given: Mapping[str, Any], saved: Mapping[str, Any], where: str) -> Config:
    """The config of a checkpoint with what may change taken from the flags; Trouble where a flag says otherwise."""
    other = [name for name in FIXED if name in given and name in saved and given[name] != saved[name]]
    if other:
        said = "; ".join(f"{name} is {saved[name]} there and {given[name]} here" for name in other)
        raise Trouble(
            f"{where} is a checkpoint of another configuration: {said}. Leave the flag away to go on with that run, "
            "or begin one of your own with another --out"
        )
    kept = {f.name: saved[f.name] for f in fields(Config) if f.name in saved and f.name not in OF_THIS_CALL}
    return settled({**kept, **given})


def as_dict(config: Config) -> dict[str, Any]:
    """The settings by name, as a checkpoint keeps them."""
    return dataclasses.asdict(config)
