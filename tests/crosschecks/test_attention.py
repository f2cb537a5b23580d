"""The attention exercise's reference against nn.MultiheadAttention and PyTorch's fused attention, weights shared."""

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

SIZES = [(2, 5, 12, 3), (3, 9, 32, 4), (1, 6, 10, 1), (4, 1, 8, 8)]  # B, T, C, H


@pytest.fixture(scope="module")
def attention() -> ModuleType:
    return made("attention", reference(load(Path(__file__).parents[2]).exercise("attention")))


def pair(attention: ModuleType, C: int, H: int, dropout: float = 0.0, bias: bool = True) -> tuple[Any, Any]:
    """Our module and theirs with the same weights, in float64 so that only mistakes make a difference."""
    torch.manual_seed(C + H)
    theirs = nn.MultiheadAttention(C, H, dropout=dropout, bias=bias, batch_first=True).double()
    ours = attention.MultiHeadAttention(C, H, dropout=dropout, bias=bias).double()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.5)
        for kind in ("weight", "bias") if bias else ("weight",):
            for name, part in zip(("query", "key", "value"), getattr(theirs, f"in_proj_{kind}").chunk(3), strict=True):
                getattr(getattr(ours, name), kind).copy_(part)
            getattr(ours.out, kind).copy_(getattr(theirs.out_proj, kind))
    return ours, theirs


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("B", "T", "C", "H"), SIZES)
def test_self_attention_under_both_masks(
    attention: ModuleType, B: int, T: int, C: int, H: int, bias: bool, need_weights: bool
) -> None:
    ours, theirs = pair(attention, C, H, bias=bias)
    x, lengths = torch.randn(B, T, C).double(), torch.arange(B) % T + 1
    causal, padding = attention.causal_mask(T), attention.padding_mask(lengths, T)
    hidden = {"attn_mask": ~causal, "key_padding_mask": ~padding[:, 0, 0]}  # True over there: hidden
    y, maps = theirs(x, x, x, **hidden, need_weights=need_weights, average_attn_weights=False)
    output, weights = ours(x, mask=causal & padding, return_weights=True)
    torch.testing.assert_close(output, y)
    if need_weights:
        torch.testing.assert_close(weights, maps)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(("B", "T", "C", "H"), SIZES)
def test_cross_attention(attention: ModuleType, B: int, T: int, C: int, H: int, need_weights: bool) -> None:
    ours, theirs = pair(attention, C, H)
    x, context = torch.randn(B, T, C).double(), torch.randn(B, T + 2, C).double()
    padding = attention.padding_mask(torch.arange(B) % T + 2, T + 2)
    y, _ = theirs(x, context, context, key_padding_mask=~padding[:, 0, 0], need_weights=need_weights)
    torch.testing.assert_close(ours(x, context, padding), y)


def test_an_empty_text_is_where_theirs_depends_on_the_path(attention: ModuleType) -> None:
    ours, theirs = pair(attention, 12, 3)
    x, padding = torch.randn(3, 5, 12).double(), attention.padding_mask(torch.tensor([5, 0, 2]), 5)
    output = ours(x, mask=padding)
    fused, _ = theirs(x, x, x, key_padding_mask=~padding[:, 0, 0], need_weights=False)
    plain, _ = theirs(x, x, x, key_padding_mask=~padding[:, 0, 0], need_weights=True)
    torch.testing.assert_close(output, fused)
    torch.testing.assert_close(output[[0, 2]], plain[[0, 2]])
    assert plain[1].isnan().all()  # what the lesson's third break shows


def test_gradients(attention: ModuleType) -> None:
    ours, theirs = pair(attention, 12, 3)
    x, causal = torch.randn(2, 7, 12).double(), attention.causal_mask(7)
    (theirs(x, x, x, attn_mask=~causal, need_weights=False)[0] ** 3).sum().backward()
    (ours(x, mask=causal) ** 3).sum().backward()
    for kind in ("weight", "bias"):
        joined = torch.cat([getattr(getattr(ours, name), kind).grad for name in ("query", "key", "value")])
        torch.testing.assert_close(joined, getattr(theirs, f"in_proj_{kind}").grad)
        torch.testing.assert_close(getattr(ours.out, kind).grad, getattr(theirs.out_proj, kind).grad)


def test_dropout_is_drawn_as_theirs_is(attention: ModuleType) -> None:
    ours, theirs = pair(attention, 12, 3, dropout=0.4)
    x = torch.randn(2, 7, 12).double()
    torch.manual_seed(1)
    y, maps = theirs(x, x, x, average_attn_weights=False)
    torch.manual_seed(1)
    output, weights = ours(x, return_weights=True)
    torch.testing.assert_close(weights, maps)
    torch.testing.assert_close(output, y)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x, x, x)[0])


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_the_function_agrees_with_the_fused_one(attention: ModuleType, dtype: str) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 8, 16).to(getattr(torch, dtype)) for _ in range(3))
    output, weights = attention.scaled_dot_product_attention(q, k, v, attention.causal_mask(8))
    want = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(output, want, **({"rtol": 0.05, "atol": 0.02} if dtype == "bfloat16" else {}))
    assert output.dtype == weights.dtype == want.dtype


@pytest.mark.parametrize("bias", [True, False])
def test_parameter_count(attention: ModuleType, bias: bool) -> None:
    ours, theirs = pair(attention, 48, 6, bias=bias)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
