"""Training against a plain loop in the manner of nanoGPT, and writing with a cache against writing without one.

Both are ratios, measured in turns in one process. The plain loop is eager, has fused attention and foreach AdamW, and
reads its loss every step. Its gelu is the exact one, as nanoGPT's, which torch computes in half the time of GPT-2's.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

pytestmark = pytest.mark.benchmark

ROOT = Path(__file__).resolve().parents[2]
V, B, T, L, H, C = 65, 12, 64, 4, 4, 128
BAR_WRITING = 5.0
BAR_TRAINING = 0.9  # at least as fast, with room for the noise of a machine; what is found is printed


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(C, 3 * C, bias=False), nn.Linear(C, C, bias=False)

    def forward(self, x: Any) -> Any:
        B, T, C = x.size()
        q, k, v = (part.view(B, T, H, C // H).transpose(1, 2) for part in self.c_attn(x).split(C, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(C, bias=False), Attention()
        self.ln_2 = nn.LayerNorm(C, bias=False)
        self.mlp = nn.Sequential(nn.Linear(C, 4 * C, bias=False), nn.GELU(), nn.Linear(4 * C, C, bias=False))

    def forward(self, x: Any) -> Any:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Plain(nn.Module):
    """nanoGPT's model, in short."""

    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(V, C), nn.Embedding(T, C)
        self.h, self.ln_f = nn.ModuleList(Block() for _ in range(L)), nn.LayerNorm(C, bias=False)
        self.lm_head = nn.Linear(C, V, bias=False)
        self.lm_head.weight = self.wte.weight
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, 0.0, 0.02)

    def forward(self, idx: Any, targets: Any) -> Any:
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1)))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return logits, F.cross_entropy(logits.view(-1, V), targets.view(-1), ignore_index=-1)


def groups(model: Any) -> list[dict[str, Any]]:
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def plain_loop(tokens: Any) -> Callable[[], None]:
    """nanoGPT's step."""
    model = Plain()
    optimizer = torch.optim.AdamW(groups(model), lr=1e-3, betas=(0.9, 0.99), foreach=True)

    def step() -> None:
        starts = torch.randint(len(tokens) - T, (B,))
        x = torch.stack([torch.from_numpy(tokens[i : i + T].astype(np.int64)) for i in starts])
        y = torch.stack([torch.from_numpy(tokens[i + 1 : i + 1 + T].astype(np.int64)) for i in starts])
        _, loss = model(x, y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()

    return step


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program's parts, the reference, on as many threads as a laptop has cores."""
    monkeypatch.syspath_prepend(str(ROOT / "phase1_foundations"))
    monkeypatch.setenv("FATHOM_ROOT", str(ROOT))
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, 2))
    from training import parts

    yield parts
    torch.set_num_threads(before)
    for name in [name for name in sys.modules if name.split(".")[0] == "training"]:
        del sys.modules[name]


def own_loop(parts: Any, tokens: Any, folder: Path) -> Callable[[], None]:
    """The program's step, without its progress."""
    from training.config import Config
    from training.corpus import Corpus, Tokenizer, write
    from training.processes import Group
    from training.run import assembled

    carried = parts.carried(quiet=True)
    assert parts.fuse(carried)
    config = Config(data="-", out=str(folder))
    text = Corpus("random", "", Tokenizer("".join(map(chr, range(65, 65 + V)))), tokens)
    write(text, folder, T)
    run = assembled(config, Group(0, 1, 0), carried, folder, text, None)
    seen: list[Any] = []

    def step() -> None:
        seen.append(carried.lesson.train_step(run.model, run.optimizer, run.micro_batches(), 1e-3, config.clip))
        if len(seen) == config.log_every:
            torch.stack([loss for loss, _ in seen]).tolist()
            seen.clear()

    return step


def in_turns(ways: list[Callable[[], None]], rounds: int, steps: int) -> list[float]:
    """The median seconds of each way's rounds, one way after the other in each round."""
    taken: list[list[float]] = [[] for _ in ways]
    for number in range(rounds + 1):
        for way, found in zip(ways, taken, strict=True):
            began = time.perf_counter()
            for _ in range(steps):
                way()
            if number:
                found.append((time.perf_counter() - began) / steps)
    return [statistics.median(found) for found in taken]


def test_training_is_as_fast_as_a_plain_loop(training: Any, tmp_path: Path) -> None:
    tokens = np.random.default_rng(0).integers(0, V, 1_000_000).astype(np.uint16)
    plain, own = in_turns([plain_loop(tokens), own_loop(training, tokens, tmp_path)], rounds=12, steps=10)
    print(f"\ntraining: plain {1e3 * plain:.1f} ms a step, Fathom {1e3 * own:.1f} ms: {plain / own:.2f} ×")
    assert plain / own > BAR_TRAINING


def test_writing_with_a_cache_is_five_times_as_fast(training: Any) -> None:
    from training.config import Config
    from training.corpus import Tokenizer
    from training.writing import write

    torch.set_num_threads(1)  # as the program has it while it writes
    parts = training.carried(quiet=True)
    assert training.fuse(parts)
    gpt = parts.gpt
    model = gpt.GPT(gpt.GPTConfig(320, V, n_layer=L, n_head=H, n_embd=C, bias=False)).eval()
    tokenizer = Tokenizer("".join(map(chr, range(65, 65 + V))))

    def way(**settings: Any) -> Callable[[], None]:
        config = Config(tokens=256, **settings)
        return lambda: (write(parts, model, tokenizer, "A", config), None)[1]

    without, with_cache, modules = in_turns([way(cache=False), way(), way(fused=False)], rounds=3, steps=1)
    print(
        f"\nwriting: {256 / without:.0f} tokens a second without a cache, {256 / with_cache:.0f} with one: "
        f"{without / with_cache:.1f} ×; through the lesson's modules {256 / modules:.0f}"
    )
    assert without / with_cache > BAR_WRITING
