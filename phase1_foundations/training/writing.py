"""Writing with a trained model: token by token, keys and values kept."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from training.config import Config
from training.corpus import Tokenizer
from training.parts import Parts


@dataclass(frozen=True)
class Sample:
    """What was written, and how fast."""

    text: str
    tokens: int
    seconds: float

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


class Stepper:
    """A GPT for one token at a time: the same weights, in as few calls of the library as will do.

    For a single token the arithmetic is nothing; what costs are the calls. Keys and values lie in tensors of full size
    from the beginning, so that none is ever copied to make room for one more.
    """

    def __init__(self, model: Any) -> None:
        config, inside = model.config, model.transformer
        self.heads, self.width, self.room = config.n_head, config.n_embd, config.block_size
        self.tokens, self.places, self.head = inside.wte.weight, inside.wpe.weight, model.lm_head
        self.blocks, self.last, self.length = list(inside.h), inside.ln_f, 0
        shape = (self.heads, self.room, self.width // self.heads)
        self.kept = [(self.tokens.new_zeros(shape), self.tokens.new_zeros(shape)) for _ in self.blocks]

    def __call__(self, token: int) -> Tensor:
        """Logits after one more token: (1, V)."""
        here, H, C = self.length, self.heads, self.width
        x = (self.tokens[token] + self.places[here]).view(1, C)
        for block, (keys, values) in zip(self.blocks, self.kept, strict=True):
            attention, mlp = block.attn, block.mlp
            q, k, v = linear(attention.c_attn, norm(block.ln_1, x)).view(3, H, C // H)
            keys[:, here], values[:, here] = k, v
            scores = torch.bmm(q.unsqueeze(1), keys[:, : here + 1].transpose(1, 2)).mul_((C // H) ** -0.5)  # (H, 1, S)
            y = torch.bmm(scores.softmax(-1), values[:, : here + 1]).view(1, C)
            x = x + linear(attention.c_proj, y)
            wide = F.gelu(linear(mlp.c_fc, norm(block.ln_2, x)), approximate="tanh")
            x = x + linear(mlp.c_proj, wide)
        self.length += 1
        return linear(self.head, norm(self.last, x))


def linear(module: Any, x: Tensor) -> Tensor:
    return F.linear(x, module.weight, module.bias)


def norm(module: Any, x: Tensor) -> Tensor:
    return F.layer_norm(x, module.normalized_shape, module.weight, module.bias, module.eps)


def opening(tokenizer: Tokenizer) -> str:
    """What to continue where nothing is given: a new line, if the model knows one."""
    return "\n" if "\n" in (tokenizer.alphabet or "\n") else tokenizer.alphabet[0]


def agrees(model: Any) -> bool:
    """Whether a Stepper says what the model says, token after token."""
    made, tokens = Stepper(model), list(range(min(5, model.config.block_size, model.config.vocab_size)))
    for number, token in enumerate(tokens):
        idx = torch.tensor([tokens[: number + 1]], device=made.tokens.device)
        if not torch.allclose(made(token), model.next_logits(idx), rtol=1e-3, atol=1e-3):
            return False
    return True


@contextlib.contextmanager
def undisturbed(model: Any, seed: int) -> Iterator[None]:
    """Write in eval mode and from a stream of chance of its own, so that training goes on as if nothing had been."""
    was_training, device = model.training, next(model.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        model.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            model.train(was_training)


def write(parts: Parts, model: Any, tokenizer: Tokenizer, prompt: str, config: Config, seed: int = 0) -> Sample:
    """Continue a prompt by config.tokens drawn tokens."""
    begin = tokenizer.encode(prompt, "the prompt").tolist()
    device = next(model.parameters()).device
    how = {"temperature": config.temperature, "top_k": config.top_k or None}
    with undisturbed(model, seed):
        began = time.perf_counter()
        tokens = begin
        if config.cache and config.fused and agrees(model):
            tokens = stepped(parts, model, begin, config.tokens, how)
        if missing := len(begin) + config.tokens - len(tokens):
            idx = torch.tensor([tokens], device=device)
            tokens = model.generate(idx, missing, use_cache=config.cache, **how)[0].tolist()
        seconds = time.perf_counter() - began
    return Sample(tokenizer.decode(tokens), config.tokens, seconds)


def stepped(parts: Parts, model: Any, begin: list[int], count: int, how: dict[str, Any]) -> list[int]:
    """As model.generate, through a Stepper, as far as the window reaches."""
    tokens, made = list(begin), Stepper(model)
    for token in begin[:-1][: made.room]:
        made(token)
    while made.length < made.room and len(tokens) < len(begin) + count:
        probabilities = parts.gpt.next_token_probabilities(made(tokens[-1]), **how)
        tokens.append(int(torch.multinomial(probabilities, 1)))
    return tokens
