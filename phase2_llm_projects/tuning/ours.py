"""Our own GPT: trained once, kept with its recipe and checksum, and given the lesson's adapters."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as from_bytes
from safetensors.torch import save as as_bytes
from torch import Tensor
from training.parts import Parts, fuse
from training.progress import Meter
from training.trouble import Trouble

from tuning import pieces, task
from tuning.fitting import fit, windows
from tuning.settings import Settings

TARGETS = ("c_attn", "c_proj", "c_fc")
BATCH, RATE = 8, 3e-3  # of the base's own training


@dataclass
class Ours:
    """A GPT of exercise 15 with adapters of exercise 21."""

    lesson: Any
    gpt: Any
    model: Any
    words: pieces.Pieces
    adapters: dict[str, Any]
    kept_out: list[int]
    name: str
    note: str = ""
    end: int = pieces.END
    pad: int = pieces.END
    rate: float = 5e-3
    context: int = field(init=False)

    def __post_init__(self) -> None:
        self.context = self.model.config.block_size

    def prompt(self, text: str) -> list[int]:
        return [*self.words.encode(text), pieces.ASK]

    def encode(self, text: str) -> list[int]:
        return self.words.encode(text)

    def decode(self, tokens: Sequence[int]) -> str:
        return self.words.decode(tokens)

    def old(self) -> list[int]:
        return self.kept_out

    def logits(self, idx: Tensor) -> Tensor:
        found: Tensor = self.model(idx)[0]
        return found

    @torch.no_grad()
    def write(self, prompt: list[int], most: int) -> list[int]:
        idx, caches = torch.tensor([prompt]), [self.gpt.KVCache() for _ in self.model.transformer.h]
        for _ in range(min(most, self.context - len(prompt))):
            best = self.model.next_logits_cached(idx, caches).argmax(-1, keepdim=True)
            idx = torch.cat((idx, best), 1)
            if best.item() == self.end:
                break
        return idx[0, len(prompt) :].tolist()

    @contextlib.contextmanager
    def without(self) -> Iterator[None]:
        for adapter in self.adapters.values():
            adapter.active = False
        try:
            yield
        finally:
            for adapter in self.adapters.values():
                adapter.active = True

    def save(self, folder: Path) -> str:
        state = {name: tensor.contiguous() for name, tensor in self.lesson.pack(self.adapters).items()}
        (folder / "adapters.safetensors").write_bytes(as_bytes(state))
        return "adapters.safetensors"

    def singular_values(self) -> dict[str, list[float]]:
        some = list(self.adapters)[-3:]
        return {
            name.removeprefix("transformer."): torch.linalg.svdvals(self.adapters[name].update().detach())[
                : self.adapters[name].r
            ].tolist()
            for name in some
        }


def ours(asked: Settings, lesson: Any, gpt: Any, home: Path, say: Callable[[str], object]) -> Ours:
    """Load the base or train it, and put adapters into it."""
    fuse(Parts(None, gpt))
    text = task.corpus()
    words = pieces.learn(text)
    tokens = torch.tensor(words.encode(text))
    cut = len(tokens) * 9 // 10
    if len(tokens) - cut <= asked.context + 1:
        raise Trouble(
            f"--context {asked.context} is longer than the text that is held out; {len(tokens) - cut - 2} fits"
        )
    torch.manual_seed(asked.seed)
    config = gpt.GPTConfig(
        block_size=asked.context, vocab_size=words.size, n_layer=asked.layers, n_head=4, n_embd=asked.width
    )
    model = gpt.GPT(config)
    recipe = {
        "text": hashlib.sha256(text.encode()).hexdigest(),
        "words": hashlib.sha256("\0".join(words.words).encode()).hexdigest(),
        "context": asked.context,
        "width": asked.width,
        "layers": asked.layers,
        "steps": asked.base_steps,
        "batch": BATCH,
        "rate": RATE,
        "seed": asked.seed,
    }
    place = home / f"base-{hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]}.safetensors"
    state = kept(place, recipe, say)
    if state is not None:
        load(model, state, place)
        say(f"The base is {place}.")
    else:
        count = sum(p.numel() for p in model.parameters())
        say(f"Training the base: a GPT of {count:,} parameters, {cut:,} tokens, {asked.base_steps} steps.")
        draws = torch.Generator().manual_seed(asked.seed)
        meter = Meter(asked.base_steps, 0, silent=False)
        fit(
            list(model.parameters()),
            lambda: model(*windows(tokens[:cut], asked.context, BATCH, draws))[1],
            asked.base_steps,
            RATE,
            BATCH * asked.context,
            meter,
        )
        keep(place, recipe, {name: p.detach() for name, p in model.named_parameters()})
        say(f"Kept in {place}.")
    targets = asked.targets or TARGETS
    try:
        adapters = lesson.inject(model, list(targets), asked.rank, asked.alpha, asked.dropout)
    except ValueError:
        raise Trouble(
            f"--targets {','.join(targets)} names no Linear of our GPT; it has {', '.join(TARGETS)} and lm_head"
        ) from None
    return Ours(lesson, gpt, model, words, adapters, tokens[cut:].tolist(), "our own GPT")


def load(model: Any, state: dict[str, Tensor], place: Path) -> None:
    """Copy a kept base into a model of its shape."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name not in state or state[name].shape != parameter.shape:
                raise Trouble(
                    f"{place} does not fit a GPT of this shape ({name}); remove the file, and it is trained anew"
                )
            parameter.copy_(state[name])


def keep(place: Path, recipe: dict[str, Any], state: dict[str, Tensor]) -> None:
    """Write a base, its recipe and its checksum; Trouble where the disk refuses."""
    raw = as_bytes({name: tensor.contiguous() for name, tensor in state.items()})
    said = {"recipe": recipe, "sha256": hashlib.sha256(raw).hexdigest()}
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        for file, content in ((place, raw), (place.with_suffix(".json"), json.dumps(said, indent=1).encode())):
            new = file.with_name(f"{file.name}.{os.getpid()}.part")
            new.write_bytes(content)
            os.replace(new, file)
    except OSError as error:
        raise Trouble(f"the trained base could not be written to {place}: {error.strerror}; make room there") from None


def kept(place: Path, recipe: dict[str, Any], say: Callable[[str], object]) -> dict[str, Tensor] | None:
    """A base that was kept, if it is whole; what is damaged is named, and trained anew."""
    if not place.exists():
        return None
    try:
        said = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
        raw = place.read_bytes()
        if said["recipe"] == recipe and said["sha256"] == hashlib.sha256(raw).hexdigest():
            return dict(from_bytes(raw))
        why = "its checksum is another"
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__} while reading it"
    say(f"{place} is damaged ({why}); the base is trained anew.")
    return None
