"""The reference of the recurrent nets against nn.RNN, nn.GRU and nn.LSTM: whole sequences, weights shared, gradients."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn

from autograder.curriculum import load  # noqa: E402
from autograder.judge.submission import reference  # noqa: E402
from autograder.kernel.carrying import made  # noqa: E402

KINDS = ["RNN", "GRU", "LSTM"]
SIZES = [(2, 5, 3, 4), (3, 40, 1, 8), (1, 1, 6, 5), (5, 12, 8, 1)]  # B, T, C, H


@pytest.fixture(scope="module")
def lesson() -> ModuleType:
    return made("recurrent_nets", reference(load(Path(__file__).parents[2]).exercise("recurrent_nets")))


def pair(lesson: ModuleType, kind: str, C: int, H: int) -> tuple[Any, Any]:
    """Our cell and their module with the same weights, in float64 so that only mistakes make a difference."""
    torch.manual_seed(C + H)
    theirs = getattr(nn, kind)(C, H, batch_first=True).double()
    ours = getattr(lesson, f"{kind}Cell")(C, H).double()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.5)
    ours.load_state_dict({name.removesuffix("_l0"): value for name, value in theirs.state_dict().items()})
    return ours, theirs


def start(ours: Any, B: int) -> tuple[Any, ...]:
    return tuple(torch.randn_like(memory).requires_grad_() for memory in ours.blank(B))


def run(theirs: Any, xs: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Their h of every step and last state, from and to a tuple of (B, H)."""
    lifted = tuple(memory[None] for memory in state)
    hs, last = theirs(xs, lifted if len(lifted) == 2 else lifted[0])
    return hs, tuple(memory[0] for memory in (last if isinstance(last, tuple) else (last,)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("B", "T", "C", "H"), SIZES)
def test_whole_sequences_and_their_gradients(lesson: ModuleType, kind: str, B: int, T: int, C: int, H: int) -> None:
    ours, theirs = pair(lesson, kind, C, H)
    xs, state = torch.randn(B, T, C).double().requires_grad_(), start(ours, B)
    hs, last = lesson.unroll(ours, xs, state)
    their_hs, their_last = run(theirs, xs, state)
    torch.testing.assert_close((hs, *last), (their_hs, *their_last), rtol=1e-6, atol=1e-9)

    sizes = [torch.randn_like(value) for value in (hs, *last)]
    leaves = [xs, *state]
    got = torch.autograd.grad((hs, *last), [*leaves, *ours.parameters()], sizes)
    want = torch.autograd.grad((their_hs, *their_last), [*leaves, *theirs.parameters()], sizes)
    torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_have_their_names_and_their_number(lesson: ModuleType, kind: str) -> None:
    ours, theirs = pair(lesson, kind, 10, 20)
    mine = {f"{name}_l0": value.shape for name, value in ours.named_parameters()}
    assert mine == {name: value.shape for name, value in theirs.named_parameters()}
    count = sum(value.numel() for value in ours.parameters())
    assert count == {"RNN": 640, "GRU": 1920, "LSTM": 2560}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_agrees_on_packed_sequences(lesson: ModuleType, kind: str) -> None:
    ours, theirs = pair(lesson, kind, 3, 6)
    reader = lesson.Reader(ours, 4).double()
    xs, lengths = torch.randn(5, 9, 3).double(), torch.tensor([9, 1, 4, 7, 2])
    packed = nn.utils.rnn.pack_padded_sequence(xs, lengths, batch_first=True, enforce_sorted=False)
    last = theirs(packed)[1]
    h = (last[0] if kind == "LSTM" else last)[0]
    torch.testing.assert_close(reader(xs, lengths), reader.head(h))


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_norms_of_a_long_sequence(lesson: ModuleType, kind: str) -> None:
    ours, theirs = pair(lesson, kind, 3, 6)
    xs, state = torch.randn(4, 60, 3).double(), ours.blank(4)
    got = lesson.gradient_norms(ours, xs, state, lambda hs: hs[:, -1].square().sum())
    leaf = xs.clone().requires_grad_()
    run(theirs, leaf, state)[0][:, -1].square().sum().backward()
    torch.testing.assert_close(got, leaf.grad.square().sum((0, 2)).sqrt(), rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 4, 7, 30])
def test_chunks_agree_with_the_library_s_loop(lesson: ModuleType, kind: str, k: int) -> None:
    ours, theirs = pair(lesson, kind, 3, 5)
    xs, ys = torch.randn(2, 18, 3).double(), torch.randn(2, 18, 5).double()
    state, losses = tuple(memory.detach() for memory in start(ours, 2)), []
    mine, last = lesson.truncated_bptt(ours, xs, ys, state, k, F.mse_loss, lambda: None)
    for piece, targets in zip(xs.split(k, 1), ys.split(k, 1), strict=True):
        hs, state = run(theirs, piece, tuple(memory.detach() for memory in state))
        loss = F.mse_loss(hs, targets)
        loss.backward()
        losses.append(loss.item())
    torch.testing.assert_close((mine, last), (losses, tuple(memory.detach() for memory in state)))
    for parameter, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad)
