"""One run: made from a config or a checkpoint, then step after step."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training import checkpoints, corpus
from training.config import Config, as_dict, resumed, settled
from training.corpus import Corpus
from training.parts import Parts
from training.processes import Group
from training.trouble import Trouble

Pair = tuple[Tensor, Tensor]


@dataclass
class Run:
    """Everything that one process trains with."""

    config: Config
    group: Group
    parts: Parts
    folder: Path
    text: Corpus
    model: Any
    optimizer: torch.optim.Optimizer
    generators: dict[str, torch.Generator]
    device: torch.device
    start: int = 0
    maps: dict[str, Any] = field(default_factory=dict)

    @property
    def tokens_per_step(self) -> int:
        """Of all processes together."""
        config = self.config
        return config.batch_size * config.micro_batches * self.group.size * config.block_size

    def windows(self, split: str, starts: Tensor) -> Pair:
        """Windows of a split, on the device."""
        if split not in self.maps:
            self.maps[split] = self.parts.lesson.open_tokens(str(self.folder / f"{split}.bin"))
        x, y = self.parts.lesson.windows(self.maps[split], starts, self.config.block_size)
        if self.device.type == "cuda":  # from pinned memory the copy need not be waited for
            x, y = (tokens.contiguous().pin_memory().to(self.device, non_blocking=True) for tokens in (x, y))
        return x, y

    def starts(self, length: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Where windows begin in a text of some length, drawn evenly."""
        count = self.parts.lesson.count_starts(length, self.config.block_size)
        return torch.randint(count, shape, generator=generator)

    def micro_batches(self) -> list[Pair]:
        """This process's share of the step's windows; all processes draw the same ones and take turns."""
        config, group = self.config, self.group
        shape = config.micro_batches, group.size, config.batch_size
        starts = self.starts(self.text.split, shape, self.generators["windows"])
        return [self.windows("training", micro[group.rank]) for micro in starts]

    def held_out(self) -> list[Pair]:
        """The same held-out batches every time."""
        draws = torch.Generator().manual_seed(self.config.seed + 1)
        shape = self.config.eval_batches, self.config.batch_size
        starts = self.starts(len(self.text.tokens) - self.text.split, shape, draws)
        return [self.windows("held-out", batch) for batch in starts]

    def save(self, step: int) -> None:
        """A checkpoint after `step` steps; all processes take part, the first one writes."""
        state = torch.get_rng_state()
        everyone = self.group.gathered(state)
        if not self.group.first:
            return
        alphabet = self.text.tokenizer.alphabet
        content = {
            "run": self.parts.lesson.snapshot(self.model, self.optimizer, step, self.generators),
            "config": as_dict(self.config),
            "tokenizer": {"kind": "characters" if alphabet else "bytes", "alphabet": alphabet},
            "text": {"name": self.text.name, "sha256": self.text.sha256},
            "states": everyone,
        }
        checkpoints.save(self.folder, step, content, self.parts.lesson.write_whole, self.config.keep)


def folder_of(out: str) -> Path:
    """Where a run is kept."""
    return Path(out) if out else Path(os.environ["FATHOM_ROOT"]) / ".fathom" / "train_gpt"


def device_of(config: Config, group: Group) -> torch.device:
    """The device of this process; Trouble where there is no such one."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise Trouble("--device cuda: torch sees no GPU here; --device cpu, or auto, trains without one")
    cuda = config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
    if cuda:
        torch.cuda.set_device(group.local)
    return torch.device("cuda", group.local) if cuda else torch.device("cpu")


def built(config: Config, parts: Parts, size: int, device: torch.device) -> Any:
    """A new model of the config's shape, in eager or compiled form, in the precision that was asked for."""
    gpt = parts.gpt
    shape = gpt.GPTConfig(
        config.block_size, size, config.n_layer, config.n_head, config.n_embd, config.dropout, config.bias
    )
    model = gpt.GPT(shape).to(device)
    low = config.dtype == "bfloat16" or (
        config.dtype == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()
    )
    if low:
        model.forward = torch.autocast(device.type, dtype=torch.bfloat16)(model.forward)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    if config.compile:
        for module in (gpt, gpt.attention):  # the compiler looks modules up by name
            sys.modules.setdefault(module.__name__, module)
        model.compile()
    return model


def optimizer_of(config: Config, parts: Parts, model: Any) -> torch.optim.Optimizer:
    """AdamW, by the fused kernel where this torch has one."""
    groups = parts.lesson.decay_groups(model, config.weight_decay)
    fused = {"fused": True} if "fused" in inspect.signature(torch.optim.AdamW).parameters else {}
    return torch.optim.AdamW(groups, lr=config.lr, betas=(config.beta1, config.beta2), **fused)


def begin(given: Mapping[str, Any], group: Group, parts: Parts, say: Callable[[str], object]) -> Run:
    """A run, new or resumed; Trouble says why there is none."""
    folder = folder_of(given.get("out", ""))
    saved: dict[str, Any] | None = None
    if given.get("resume"):
        place, saved = checkpoints.newest(folder, say)
        config = resumed(given, saved["config"], str(place))
        say(f"resumed from {place}, after {saved['run']['step']:,} steps")
    else:
        config = settled(given)
        old = checkpoints.existing(folder)
        if old and not config.fresh:
            raise Trouble(
                f"{folder} holds a run already ({old[0].name}): --resume goes on with it, --fresh removes its checkpoints and "
                "begins anew, --out names another folder"
            )
    text = corpus.read(config.data, config.tokenizer, saved["tokenizer"] if saved else None)
    if text.note:
        say(f"{text.note}; training on {text.name} instead")
    if saved and saved["text"]["sha256"] != text.sha256:
        raise Trouble(
            f"the checkpoint was trained on {saved['text']['name']}, and {text.name} has other content: that would be another "
            "run. Name its text with --data, or begin a run of your own with another --out"
        )
    group.wait()
    if group.first:
        checkpoints.clean(folder)
        if config.fresh and not saved:
            checkpoints.remove(folder)
        corpus.write(text, folder, config.block_size)
    group.wait()
    return assembled(config, group, parts, folder, text, saved)


def assembled(
    config: Config, group: Group, parts: Parts, folder: Path, text: Corpus, saved: Mapping[str, Any] | None
) -> Run:
    """Model, optimizer and generators; with a checkpoint, as they were then."""
    device = device_of(config, group)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    model = built(config, parts, text.tokenizer.size, device)
    optimizer = optimizer_of(config, parts, model)
    generators = {"windows": torch.Generator().manual_seed(config.seed)}
    if group.rank:  # the same weights everywhere, but dropout of one's own
        torch.manual_seed(config.seed + 1_000_003 * group.rank)
    if device.type == "cuda":
        generators["cuda"] = torch.cuda.default_generators[device.index or 0]
    run = Run(config, group, parts, folder, text, model, optimizer, generators, device)
    if saved is not None:
        put_back(run, saved)
    return run


def put_back(run: Run, saved: Mapping[str, Any]) -> None:
    """Restore a checkpoint into a run."""
    state = saved["run"]
    known = {name: value for name, value in run.generators.items() if name in state["generators"]}
    try:
        run.start = run.parts.lesson.restore(state, run.model, run.optimizer, known)
    except (KeyError, ValueError, RuntimeError) as error:
        raise Trouble(
            f"the checkpoint does not fit this model ({str(error).splitlines()[0]}): it was written by other parts, or is of "
            "another configuration. Begin a run of your own with another --out"
        ) from None
    states = saved["states"]
    if run.group.rank < len(states):
        torch.set_rng_state(states[run.group.rank])
