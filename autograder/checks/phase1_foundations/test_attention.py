"""Checks of attention: against torch's own attention on shared weights, slow loops, and what no future may change."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from autograder.judge import observation, part


def normal(rng, *shape):
    """A float32 tensor of independent normal numbers."""
    return torch.from_numpy(rng.standard_normal(shape)).float()


def some(rng, *shape):
    """A random mask in which every row has True and False, and no two neighbouring rows are alike."""
    order = torch.from_numpy(rng.random(shape)).argsort(-1)
    seen = 1 + torch.from_numpy(rng.permutation(math.prod(shape[:-1]))).view(shape[:-1]) % (shape[-1] - 1)
    return order < seen[..., None]


def shares(scores, mask):
    """Masked softmax as a slow loop over rows, in float64: only what may be looked at ever enters."""
    mask = torch.ones_like(scores).bool() if mask is None else mask.broadcast_to(scores.shape)
    result = torch.zeros(scores.shape, dtype=torch.float64)
    for row in np.ndindex(*scores.shape[:-1]):
        if mask[row].any():
            result[row] = result[row].masked_scatter(mask[row], scores[row][mask[row]].double().softmax(-1))
    return result


def weights_for(rng, C, bias=True):
    """Weights and, with `bias`, biases of a module with C channels, by the names of the stub."""
    names = "query", "key", "value", "out"
    found = {f"{name}.weight": normal(rng, C, C) / math.sqrt(C) * 1.5 for name in names}
    return {**found, **{f"{name}.bias": normal(rng, C) for name in names}} if bias else found


def torch_module(weights, C, H, bias=True):
    """nn.MultiheadAttention with the same weights; its masks say True for hidden."""
    module = nn.MultiheadAttention(C, H, bias=bias, batch_first=True)
    with torch.no_grad():
        for kind in ("weight", "bias") if bias else ("weight",):
            joined = torch.cat([weights[f"{name}.{kind}"] for name in ("query", "key", "value")])
            getattr(module, f"in_proj_{kind}").copy_(joined)
            getattr(module.out_proj, kind).copy_(weights[f"out.{kind}"])
    return module


def torch_says(weights, C, H, x, context=None, mask=None, bias=True):
    """Output and maps of nn.MultiheadAttention; the mask is ours."""
    context = x if context is None else context
    if mask is not None:
        hidden = ~mask.broadcast_to(x.shape[0], H, x.shape[1], context.shape[1])
        mask = hidden.reshape(-1, *hidden.shape[2:])
    module = torch_module(weights, C, H, bias)
    with torch.no_grad():
        return module(x, context, context, attn_mask=mask, average_attn_weights=False)


@observation
def scores_of(learner, q, k):
    return learner.attention_scores(q, k)


@observation
def size_of_scores(learner, q, k):
    return learner.attention_scores(q, k).std()


@observation
def softmax_of(learner, scores, mask):
    return learner.masked_softmax(scores, mask) if mask is not None else learner.masked_softmax(scores)


@observation
def softmax_and_slopes(learner, scores, mask, pull):
    given = scores.clone().requires_grad_()
    weights = learner.masked_softmax(given * 1.0, mask)
    (slopes,) = probe.gradients((weights * pull).sum(), [given])
    return {"weights": weights, "slopes": slopes}


@observation
def spread_of(learner, weights):
    return learner.spread(weights)


@observation
def causal(learner, T):
    return learner.causal_mask(T)


@observation
def padding(learner, lengths, T):
    return learner.padding_mask(lengths, T)


@observation
def attended(learner, q, k, v, mask=None, **how):
    output, weights = learner.scaled_dot_product_attention(q, k, v, mask, **how)
    return {"output": output, "weights": weights}


@observation
def attention_slopes(learner, q, k, v, mask):
    given = [part.clone().requires_grad_() for part in (q, k, v)]
    output, _ = learner.scaled_dot_product_attention(*given, mask)
    return probe.gradients((output**2).sum(), given)


@observation
def dropped(learner, q, k, v, p):
    """What dropout did to the weights: means over all, and how unevenly it fell on rows, columns and texts."""
    _, whole = learner.scaled_dot_product_attention(q, k, v)
    output, weights = learner.scaled_dot_product_attention(q, k, v, dropout=p, training=True)
    _, again = learner.scaled_dot_product_attention(q, k, v, dropout=p, training=True)
    _, still = learner.scaled_dot_product_attention(q, k, v, dropout=p)
    kept = weights > 0
    return {
        "kept": kept.float().mean(),
        "kept twice": (kept & (again > 0)).float().mean(),
        "kept by two neighbouring queries": (kept[..., 1:, :] & kept[..., :-1, :]).float().mean(),
        "kept by two neighbouring heads": (kept[:, 1:] & kept[:, :-1]).float().mean(),
        "kept by two neighbouring texts": (kept[1:] & kept[:-1]).float().mean(),
        "what became of a weight kept": (weights / whole)[kept].mean(),
        "the largest change of it": (weights / whole)[kept].max(),
        "what became of a weight out of training": (still / whole).mean(),
        "output - weights @ values": (output - weights @ v).abs().max(),
    }


@observation
def split(learner, x, H):
    return learner.split_heads(x, H)


@observation
def merged(learner, x):
    return learner.merge_heads(x)


@observation
def run_module(learner, C, H, weights, inputs, mask=None, bias=True, dropout=0.0):
    """Output alone and with maps, in evaluation mode; the same module is used twice."""
    module = probe.load(learner.MultiHeadAttention(C, H, dropout=dropout, bias=bias), weights).eval()
    alone = module(*inputs, mask=mask)
    output, maps = module(*inputs, mask=mask, return_weights=True)
    return {"alone": alone, "output": output, "maps": maps}


@observation
def module_slopes(learner, C, H, weights, inputs, mask):
    module = probe.load(learner.MultiHeadAttention(C, H), weights)
    return probe.parameter_gradients(module, (module(*inputs, mask=mask) ** 2).sum())


@observation
def influence(learner, C, H, weights, x, mask):
    """Entry (t, s): the size of the slope of output t with respect to input s."""
    module = probe.load(learner.MultiHeadAttention(C, H), weights)
    given = x.clone().requires_grad_()
    outputs = module(given, mask=mask)[0]
    slopes = [torch.autograd.grad(out.sum(), given, retain_graph=True)[0][0] for out in outputs]
    return torch.stack(slopes).norm(dim=-1)


@observation
def module_in_training(learner, C, H, weights, x, p):
    module = probe.load(learner.MultiHeadAttention(C, H, dropout=p), weights)
    still = module.eval()(x, return_weights=True)[1]
    output, maps = module.train()(x, return_weights=True)
    again = module.eval()(x, return_weights=True)[1]
    values = F.linear(x, weights["value.weight"], weights["value.bias"]).unflatten(-1, (H, -1)).transpose(1, 2)
    heads = maps @ values if maps.shape[:2] == values.shape[:2] else values
    mixed = F.linear(heads.transpose(1, 2).flatten(2), weights["out.weight"], weights["out.bias"])
    return {
        "kept": (maps > 0).float().mean(),
        "row sums": maps.sum(-1).mean(),
        "change": (maps / still - 1).abs().mean(),
        "output - what these maps make of the values": (output - mixed).abs().max(),
        "kept after eval()": (again > 0).float().mean(),
        "change after eval()": (again / still - 1).abs().mean(),
    }


@part("attention_scores")
def test_every_query_meets_every_key(observe, expect, rng):
    for front in ((), (2,), (2, 3)):
        q, k = normal(rng, *front, 4, 7), normal(rng, *front, 5, 7)
        want = torch.zeros(*front, 4, 5)
        for *at, i, j in np.ndindex(*want.shape):
            want[(*at, i, j)] = sum(float(a) * float(b) for a, b in zip(q[(*at, i)], k[(*at, j)])) / 7**0.5
        message = "Row i, column j: query i times key j, brought back by one root. Of what?"
        expect(observe(scores_of, q, k), want, message)


@part("attention_scores")
@pytest.mark.parametrize("D", [9, 144])
def test_scores_stay_the_size_of_one_product(observe, expect, rng, D):
    got = observe(size_of_scores, normal(rng, 400, D), normal(rng, 450, D))
    message = f"Each score is a sum of {D} products of variance 1. How far does such a sum stray, and how far do yours?"
    expect(got, 1.0, message, atol=0.15)


@part("masked_softmax")
def test_without_a_mask_each_row_is_a_softmax(observe, expect, rng):
    for shape in ((3, 5), (2, 3, 4, 6)):
        scores = normal(rng, *shape) * 2
        expect(observe(softmax_of, scores, None), F.softmax(scores, -1), "A row belongs to one query. What sums to 1?")


@part("masked_softmax")
def test_what_is_hidden_takes_no_share(observe, expect, rng):
    scores = normal(rng, 2, 3, 4, 6) * 2
    for shape in ((2, 3, 4, 6), (4, 6), (2, 1, 1, 6), (3, 1, 6)):
        mask = some(rng, *shape)
        message = f"Mask of shape {shape}: do the shares of what may be looked at sum to 1, and the others to 0?"
        expect(observe(softmax_of, scores, mask), shares(scores, mask), message)


@part("masked_softmax")
def test_large_scores_do_no_harm(observe, expect, rng):
    scores, mask = normal(rng, 5, 7), some(rng, 5, 7)
    message = "A hidden score is huge here, or all of them are. Does it matter before or after it is hidden?"
    for far in (1000.0, -1000.0):
        expect(observe(softmax_of, scores + far * ~mask, mask), shares(scores, mask), message)
        expect(observe(softmax_of, scores + far, mask), shares(scores + far, mask), message)
        expect(observe(softmax_of, scores + far, None), shares(scores + far, None), message)


@part("masked_softmax")
def test_a_row_that_may_look_nowhere_is_zero(observe, expect, rng):
    scores, mask, pull = normal(rng, 2, 4, 5), some(rng, 2, 4, 5), normal(rng, 2, 4, 5)
    mask[0, 2] = mask[1, 0] = False
    want = shares(scores, mask)
    slopes = want * (pull - (want * pull).sum(-1, keepdim=True))
    got = observe(softmax_and_slopes, scores, mask, pull)
    message = "Two rows here have no True. What should their shares be, and what slope may they send back?"
    expect(got, {"weights": want, "slopes": slopes}, message)


@part("spread")
def test_a_uniform_row_over_n_keys_counts_n(observe, expect, rng):
    rows = torch.zeros(2, 4, 9)
    counts = 1 + torch.from_numpy(rng.permutation(8)).view(2, 4)
    for at in np.ndindex(2, 4):
        n = int(counts[at])
        rows[at][torch.from_numpy(rng.permutation(9)[:n])] = 1 / n
    message = "A row that is shared evenly by n keys should count n. What do its zeros add?"
    expect(observe(spread_of, rows), counts.float(), message)


@part("spread")
def test_it_is_the_perplexity_of_a_row(observe, expect, rng):
    for shape in ((4, 6), (2, 3, 5, 7)):
        weights = (normal(rng, *shape) * 2).softmax(-1)
        want = F.cross_entropy(weights.log().flatten(0, -2), weights.flatten(0, -2), reduction="none").exp()
        message = "The row of one query has one entropy. Which axis is it summed along, and in which base?"
        expect(observe(spread_of, weights), want.view(shape[:-1]), message)


@part("masks")
def test_a_causal_mask_allows_the_past_and_oneself(observe, expect, rng):
    for T in (1, int(rng.integers(4, 7)), 9):
        want = torch.tensor([[j <= i for j in range(T)] for i in range(T)])
        message = "Row i, column j, True = may look. Who is the last one that row i may see?"
        expect(observe(causal, T), want, message, dtype=True)


@part("masks")
def test_a_padding_mask_hides_what_is_not_there(observe, expect, rng):
    for T in (5, 7):  # the longest text fills all positions, or not
        lengths = torch.from_numpy(rng.permutation([0, 1, 2, 3, 5]))
        want = torch.tensor([[[[j < n for j in range(T)]]] for n in lengths.tolist()])
        message = f"Lengths {lengths.tolist()} in {T} positions. Which columns are real, and which axis are the keys?"
        expect(observe(padding, lengths, T), want, message, dtype=True)


@part("attention")
@pytest.mark.parametrize("shape", [(4, 6), (1, 1, 1, 6), (2, 3, 4, 6), (3, 1, 6), None])
def test_it_fetches_what_torch_fetches(observe, expect, rng, shape):
    q, k, v = normal(rng, 2, 3, 4, 5), normal(rng, 2, 3, 6, 5), normal(rng, 2, 3, 6, 7)
    mask = None if shape is None else some(rng, *shape)
    want = {
        "output": F.scaled_dot_product_attention(q, k, v, attn_mask=mask),
        "weights": shares(q @ k.mT / 5**0.5, mask),
    }
    expect(observe(attended, q, k, v, mask), want, "Scores, shares, mixture: which of the three is off first?")


@part("attention")
def test_any_axes_may_stand_in_front(observe, expect, rng):
    for front in ((), (3,)):
        q, k, v = normal(rng, *front, 4, 5), normal(rng, *front, 6, 5), normal(rng, *front, 6, 2)
        mask = some(rng, 4, 6)
        mask[1] = False
        weights = shares(q @ k.mT / 5**0.5, mask)
        message = "The second query may look nowhere. What does it fetch?"
        want = {"output": weights @ v.double(), "weights": weights}
        expect(observe(attended, q, k, v, mask, dropout=0.6), want, message)


@part("attention")
def test_slopes_agree_with_torch(observe, expect, rng):
    q, k, v = normal(rng, 2, 4, 5), normal(rng, 2, 6, 5), normal(rng, 2, 6, 3)
    mask = some(rng, 4, 6)
    given = [part.clone().requires_grad_() for part in (q, k, v)]
    output = F.scaled_dot_product_attention(*given, attn_mask=mask)
    want = torch.autograd.grad((output**2).sum(), given)
    expect(observe(attention_slopes, q, k, v, mask), list(want), "Queries, keys, values: does a slope reach all three?")


@part("attention")
def test_dropout_cuts_weights_in_training_only(observe, expect, rng):
    p = float(rng.uniform(0.25, 0.35))
    q, k, v = normal(rng, 3, 5, 40, 4), normal(rng, 3, 5, 60, 4), normal(rng, 3, 5, 60, 2)
    twice = (1 - p) ** 2
    want = {
        "kept": 1 - p,
        "kept twice": twice,
        "kept by two neighbouring queries": twice,
        "kept by two neighbouring heads": twice,
        "kept by two neighbouring texts": twice,
        "what became of a weight kept": 1 / (1 - p),
        "the largest change of it": 1 / (1 - p),
        "what became of a weight out of training": 1.0,
        "output - weights @ values": 0.0,
    }
    message = f"p = {p:.3f}. Which weights are cut, when, what becomes of the others, and which meet the values?"
    expect(observe(dropped, q, k, v, p), want, message, rtol=0.0, atol=0.03)


@part("heads")
def test_a_head_is_a_slice_of_the_channels(observe, expect, rng):
    for B, T, C, H in ((2, 5, 12, 3), (3, 4, 10, 5), (2, 3, 4, 1)):
        x = normal(rng, B, T, C)
        want = torch.stack([x[:, :, h * C // H : (h + 1) * C // H] for h in range(H)], 1)
        message = f"{C} channels, {H} heads: which channels of which position should the first head hold?"
        expect(observe(split, x, H), want, message)


@part("heads")
def test_merging_lays_the_heads_side_by_side(observe, expect, rng):
    for B, H, T, D in ((2, 3, 5, 4), (3, 5, 4, 2), (2, 1, 3, 6)):
        x = normal(rng, B, H, T, D)
        message = "The channels of a position: first all numbers of the first head, then all of the second. And yours?"
        expect(observe(merged, x), torch.cat([x[:, h] for h in range(H)], -1), message)


@part("heads")
def test_memory_need_not_be_in_order(observe, expect, rng):
    x, y = normal(rng, 5, 2, 12).transpose(0, 1), normal(rng, 2, 5, 4, 3).permute(0, 3, 1, 2)
    message = "This tensor is a transposed view: its numbers do not lie in the order of its axes."
    expect(observe(split, x, 3), torch.stack(x.chunk(3, -1), 1), message)
    expect(observe(merged, y), torch.cat(y.unbind(1), -1), message)


def case(rng, context=False, bias=True):
    """C, H, weights and inputs of one run, all sizes different."""
    C, H = 12, 3
    x = normal(rng, 2, 5, C)
    return C, H, weights_for(rng, C, bias), (x, normal(rng, 2, 7, C)) if context else (x,)


@part("multi_head_attention")
@pytest.mark.parametrize("bias", [True, False])
def test_a_text_asks_itself_as_in_torch(observe, expect, rng, bias):
    C, H, weights, inputs = case(rng, bias=bias)
    output, maps = torch_says(weights, C, H, *inputs, bias=bias)
    got = observe(run_module, C, H, weights, inputs, bias=bias, dropout=0.7)
    message = "The weights are those of an nn.MultiheadAttention. Project, split, attend, merge, project: which is off?"
    expect(got, {"alone": output, "output": output, "maps": maps}, message)


@part("multi_head_attention")
def test_a_text_asks_another_as_in_torch(observe, expect, rng):
    C, H, weights, inputs = case(rng, context=True)
    for mask in (None, some(rng, 5, 7)):
        output, maps = torch_says(weights, C, H, *inputs, mask=mask)
        message = "Five words ask seven others. Who makes the queries, and who the keys and the values?"
        got = observe(run_module, C, H, weights, inputs, mask)
        expect(got, {"alone": output, "output": output, "maps": maps}, message)


@part("multi_head_attention")
@pytest.mark.parametrize("shape", [(5, 5), (2, 1, 1, 5), (2, 1, 5, 5), (2, 3, 5, 5)])
def test_masks_of_every_shape_work(observe, expect, rng, shape):
    C, H, weights, inputs = case(rng)
    mask = some(rng, *shape)
    output, maps = torch_says(weights, C, H, *inputs, mask=mask)
    message = f"A mask of shape {shape} says who may look at whom. Does it reach every head as it is?"
    expect(observe(run_module, C, H, weights, inputs, mask), {"alone": output, "output": output, "maps": maps}, message)


@part("multi_head_attention")
def test_future_tokens_cannot_change_the_past(observe, expect, rng):
    C, H, weights, (x,) = case(rng)
    mask = torch.ones(5, 5).tril().bool()
    module, given = torch_module(weights, C, H), x.clone().requires_grad_()
    outputs = module(given, given, given, attn_mask=~mask)[0][0]
    want = torch.stack([torch.autograd.grad(o.sum(), given, retain_graph=True)[0][0].norm(dim=-1) for o in outputs])
    message = "Row t tells which inputs move output t. Above the diagonal lies the future."
    expect(observe(influence, C, H, weights, x, mask), want, message)


@part("multi_head_attention")
def test_every_weight_learns_as_in_torch(observe, expect, rng):
    C, H, weights, (x, context) = case(rng, context=True)
    module = torch_module(weights, C, H)
    (module(x, context, context)[0] ** 2).sum().backward()
    want = {
        f"{name}.{kind}": slope
        for kind in ("weight", "bias")
        for name, slope in zip(("query", "key", "value"), getattr(module, f"in_proj_{kind}").grad.chunk(3))
    }
    want |= {f"out.{kind}": getattr(module.out_proj, kind).grad for kind in ("weight", "bias")}
    del want["key.bias"]  # a constant added to all scores of a row: its slope is rounding
    got = observe(module_slopes, C, H, weights, (x, context), None)
    got = {name: slope for name, slope in got.items() if name != "key.bias"} if isinstance(got, dict) else got
    expect(got, want, "The outputs agree with torch. Is every projection part of the same graph?", rtol=1e-3, atol=1e-3)


@part("multi_head_attention")
def test_the_mode_of_the_module_decides_about_dropout(observe, expect, rng):
    p = float(rng.uniform(0.55, 0.65))
    weights = {name: value / 4 for name, value in weights_for(rng, 12).items()}
    got = observe(module_in_training, 12, 3, weights, normal(rng, 5, 40, 12), p)
    want = {
        "kept": 1 - p,
        "row sums": 1.0,
        "change": 2 * p,
        "output - what these maps make of the values": 0.0,
        "kept after eval()": 1.0,
        "change after eval()": 0.0,
    }
    message = f"p = {p:.3f}. What are the maps like in training mode, and after eval()? And is anything else cut?"
    expect(got, want, message, atol=0.05)
