"""The training exercise's reference against torch's own optimizer, schedulers and operation counter, on a real GPT."""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from autograder.curriculum import load  # noqa: E402
from autograder.judge.submission import reference  # noqa: E402
from autograder.kernel.carrying import made  # noqa: E402


@pytest.fixture(scope="module")
def lesson() -> ModuleType:
    course = load(Path(__file__).parents[2])
    carried: dict[str, ModuleType] = {}
    with patch("autograder.carry", lambda name: carried[name]):
        for name in ("attention", "gpt", "train_gpt"):
            carried[name] = made(name, reference(course.exercise(name)))
    return carried["train_gpt"]


def gpt(lesson: ModuleType, **settings: Any) -> Any:
    torch.manual_seed(0)
    shape = {"block_size": 12, "vocab_size": 31, "n_layer": 2, "n_head": 2, "n_embd": 16, **settings}
    return lesson.gpt.GPT(lesson.gpt.GPTConfig(**shape))


def tokens(*shape: int) -> Any:
    return torch.randint(31, shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_gpt_2_decays_what_nanogpt_decays(lesson: ModuleType) -> None:
    """nanoGPT, whose vocabulary is padded to 50,304, prints 50 tensors with 124,354,560 numbers and 98 with 121,344."""
    with torch.device("meta"):
        model = lesson.gpt.GPT(lesson.gpt.GPTConfig(vocab_size=50304))
    found = [(len(g["params"]), sum(p.numel() for p in g["params"])) for g in lesson.decay_groups(model, 0.1)]
    assert found == [(50, 124_354_560), (98, 121_344)]


def test_the_schedule_is_torchs_after_the_warm_up(lesson: ModuleType) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=3e-3)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / 8, 1.0, total_iters=7)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40, eta_min=2e-4)
    both = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, fall], [7])
    for step in range(47):
        assert lesson.learning_rate(step, 3e-3, 2e-4, 7, 47) == pytest.approx(both.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        both.step()


def test_pieces_of_a_gpt_give_the_gradient_of_the_whole(lesson: ModuleType) -> None:
    x, y = tokens(7, 12), tokens(12, 7).T.clone()
    y[2, 3:] = -1
    whole, pieces = gpt(lesson), gpt(lesson)
    loss = whole(x, y)[1]
    loss.backward()
    found = lesson.accumulate(pieces, list(zip(x.split([3, 1, 2, 1]), y.split([3, 1, 2, 1]), strict=True)))
    torch.testing.assert_close(found, loss.detach())
    for one, other in zip(whole.parameters(), pieces.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("fused", [True, False])
def test_a_gpt_with_dropout_and_adamw_resumes_to_the_last_bit(lesson: ModuleType, fused: bool) -> None:
    data = np.random.default_rng(0).integers(0, 31, 500).astype(np.uint16)

    def begin(seed: int) -> tuple[Any, ...]:
        model = gpt(lesson, dropout=0.3)
        torch.manual_seed(seed)
        optimizer = torch.optim.AdamW(lesson.decay_groups(model, 0.1), fused=fused)
        return model, optimizer, {"windows": torch.Generator().manual_seed(seed)}

    def steps(model: Any, optimizer: Any, generators: Any, some: range) -> list[float]:
        losses = []
        for step in some:
            starts = torch.randint(lesson.count_starts(500, 12), (4,), generator=generators["windows"])
            rate = lesson.learning_rate(step, 1e-2, 1e-3, 3, 9)
            losses.append(lesson.train_step(model, optimizer, [lesson.windows(data, starts, 12)], rate, 1.0)[0].item())
        return losses

    run, buffer = begin(1), io.BytesIO()
    steps(*run, range(4))
    torch.save(lesson.snapshot(*run[:2], 4, run[2]), buffer)
    straight = steps(*run, range(4, 9))
    buffer.seek(0)
    again = begin(2)
    done = lesson.restore(torch.load(buffer, weights_only=True), *again)
    assert steps(*again, range(done, 9)) == straight


def test_operations_are_those_that_torch_counts(lesson: ModuleType) -> None:
    """Norms are no products of matrices, so torch leaves them out; the formula counts their weights as if they were."""
    from torch.utils.flop_counter import FlopCounterMode

    for layers, width in ((2, 16), (3, 32)):
        model = gpt(lesson, n_layer=layers, n_embd=width, bias=False)
        with FlopCounterMode(display=False) as counter:
            model(tokens(3, 12), tokens(3, 12))[1].backward()
        norms = sum(p.numel() for p in model.parameters() if p.ndim == 1)
        assert counter.get_total_flops() == 3 * 12 * (lesson.flops_per_token(model.config) - 6 * norms)
