"""Checks of the Transformer: against torch's own layers and nn.Transformer on shared weights, slow loops, full searches.

`place` below says where nn.Transformer keeps a weight of ours; the oracles are its layers, its loss and plain loops.
"""

import functools
import itertools
import math
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from autograder.judge import observation, part

C, H, W = 12, 4, 10
SEED, STEPS = 1, 100  # of the one training run: 0.94, other seeds 0.78 to 0.94; without a mask or positions 0 to 0.28
SIZES = {"V": 11, "C": C, "H": H, "W": W, "encoders": 2, "decoders": 2}


def normal(rng, *shape, size=1.0):
    return torch.from_numpy(rng.standard_normal(shape) * size).float()


def some(rng, *shape):
    """A random mask in which every row has True and False."""
    order = torch.from_numpy(rng.random(shape)).argsort(-1)
    return order < torch.from_numpy(rng.integers(1, shape[-1], shape[:-1]))[..., None]


def shapes_of(kind, sizes=SIZES):
    """Names and shapes of the weights of a layer, or of a whole model."""
    C, W = sizes["C"], sizes["W"]
    if kind == "whole":
        found = {"embedding.weight": (sizes["V"], C), "head.bias": (sizes["V"],)}
        for stack in ("encoder", "decoder"):
            found |= {f"{stack}_norm.{each}": (C,) for each in ("weight", "bias")}
            for layer in range(sizes[f"{stack}s"]):
                found |= {f"{stack}.{layer}.{name}": shape for name, shape in shapes_of(stack, sizes).items()}
        return found
    attentions = ("attention",) if kind == "encoder" else ("attention", "cross_attention")
    linears = {f"{name}.{each}": (C, C) for name in attentions for each in ("query", "key", "value", "out")}
    linears |= {"feed_forward.linear1": (W, C), "feed_forward.linear2": (C, W)}
    found = {f"{name}.weight": shape for name, shape in linears.items()}
    found |= {f"{name}.bias": shape[:1] for name, shape in linears.items()}
    norms = [f"norm{n}" for n in range(1, len(attentions) + 2)]
    return found | {f"{name}.{each}": (C,) for name in norms for each in ("weight", "bias")}


def weights_of(rng, kind):
    """Random weights; norms are not neutral, and words and signatures enter with about the same size."""
    found = {name: normal(rng, *shape, size=0.4) for name, shape in shapes_of(kind).items()}
    return {name: w + 1.0 if re.search(r"norm\d?\.weight", name) else w for name, w in found.items()}


def place(name):
    """Where torch keeps a weight of ours: its name, and which third of it, or None for all of it."""
    name = re.sub(r"^(encoder|decoder)\.", r"\1.layers.", name).replace("_norm.", ".norm.")
    name = name.replace("feed_forward.", "").replace("cross_attention", "multihead_attn")
    name = name.replace("attention.", "self_attn.").replace(".out.", ".out_proj.")
    for third, projection in enumerate(("query", "key", "value")):
        if f".{projection}." in name:
            return name.replace(f".{projection}.", ".in_proj_"), third
    return name, None


def found_in(module, names):
    """Name, our weight within a module of torch's, as a view, and its gradient, for each of our names."""
    parameters = dict(module.named_parameters())
    for name in names:
        at, third = place(name)
        both = parameters[at].detach(), parameters[at].grad
        yield name, *(both if third is None else (None if x is None else x.chunk(3)[third] for x in both))


def filled(module, weights):
    """A module of torch's with our weights. It has no dropout and stays in training mode: one road, no shortcuts."""
    for name, weight, _ in found_in(module, weights):
        weight.copy_(weights[name])
    return module


def slopes_in(module, weights):
    """Gradients by our names; a constant added to all scores of a row changes nothing, so key.bias is left out."""
    return {name: slope for name, _, slope in found_in(module, weights) if not name.endswith("key.bias")}


def without_key_bias(slopes):
    return {name: value for name, value in slopes.items() if not name.endswith("key.bias")}


def hidden(mask, H, B, rows, columns):
    """Our mask in torch's form: True is hidden, heads and batch in one axis."""
    return None if mask is None else ~mask.broadcast_to(B, H, rows, columns).reshape(B * H, rows, columns)


def clock(T, width):
    """Signatures of positions, entry by entry."""
    angle = [[t / 10000 ** (2 * (c // 2) / width) for c in range(width)] for t in range(T)]
    return torch.tensor([[(math.sin, math.cos)[c % 2](a) for c, a in enumerate(row)] for row in angle])


class Twin:
    """The whole model by nn.Transformer, on our weights; `pad` is the token that is none."""

    def __init__(self, weights, pad, sizes=SIZES):
        self.pad, self.weights, self.C, self.H = pad, weights, sizes["C"], sizes["H"]
        shape = [sizes[name] for name in ("C", "H", "encoders", "decoders", "W")]
        self.model = nn.Transformer(*shape, dropout=0.0, batch_first=True)
        filled(self.model, {name: w for name, w in weights.items() if name.split(".")[0] not in ("embedding", "head")})
        self.table = weights["embedding.weight"].clone().requires_grad_()
        self.bias = weights["head.bias"].clone().requires_grad_()

    def embed(self, tokens):
        return self.table[tokens] * math.sqrt(self.C) + clock(tokens.shape[1], self.C)

    def padding(self, tokens, rows):
        """True is hidden: everything that is padding, from every row; in a form for which torch needs no sympy."""
        return hidden((tokens != self.pad)[:, None, None], self.H, len(tokens), rows, tokens.shape[1])

    def encode(self, source):
        return self.model.encoder(self.embed(source), self.padding(source, source.shape[1]))

    def decode(self, target, memory, source=None):
        T = target.shape[1]
        ahead = ~torch.ones(T, T).tril().bool()
        across = None if source is None else self.padding(source, T)
        y = self.model.decoder(self.embed(target), memory, self.padding(target, T) | ahead, across)
        return y @ self.table.T + self.bias

    def __call__(self, source, target):
        return self.decode(target, self.encode(source), source)

    def slopes(self):
        inside = {name: w for name, w in self.weights.items() if name.split(".")[0] not in ("embedding", "head")}
        return slopes_in(self.model, inside) | {"embedding.weight": self.table.grad, "head.bias": self.bias.grad}


def sentences(rng, lengths, T, pad, first=None):
    """Rows of random tokens, none of them pad, then padding."""
    rows = torch.full((len(lengths), T), pad)
    words = np.setdiff1d(np.arange(SIZES["V"]), [pad])
    for row, n in zip(rows, lengths):
        row[:n] = torch.from_numpy(rng.choice(words, n))
    if first is not None:
        rows[:, 0] = first
    return rows


# ---- what is looked at


@observation
def signatures(learner, sizes):
    return [learner.sinusoidal_positions(T, width) for T, width in sizes]


@observation
def normed(learner, x, weight, bias, eps=None):
    norm = learner.LayerNorm(x.shape[-1]) if eps is None else learner.LayerNorm(x.shape[-1], eps)
    probe.load(norm, {"weight": weight, "bias": bias})
    given = x.clone().requires_grad_()
    y = norm(given)
    slopes = probe.gradients((y**3).sum(), [given, norm.weight, norm.bias])
    return {"y": y, "slopes": slopes}


@observation
def thoughts(learner, weights, x):
    W, C = weights["linear1.weight"].shape
    return probe.load(learner.FeedForward(C, W, 0.6), weights).eval()(x)


@observation
def thoughts_dropped(learner, p):
    """Share of the smallest number, and smallest and largest, in training and out of it; all widened numbers are 1."""
    ff = learner.FeedForward(5, 5, p)
    probe.load(ff, {"linear1.weight": torch.zeros(5, 5), "linear1.bias": torch.ones(5), "linear2.weight": torch.eye(5)})
    probe.load(ff, {"linear2.bias": torch.ones(5)})
    ys = [ff.train(mode)(torch.zeros(30, 40, 5)).detach() for mode in (True, False)]
    return [[(y == y.min()).float().mean(), y.min(), y.max()] for y in ys]


@observation
def read_by_a_layer(learner, weights, x, mask, H, W):
    layer = probe.load(learner.EncoderLayer(x.shape[-1], H, W, 0.5), weights).eval()
    given = x.clone().requires_grad_()
    y = layer(given) if mask is None else layer(given, mask)
    slopes = probe.parameter_gradients(layer, (y**3).sum())
    return {"y": y, "slopes": slopes | {"x": given.grad}}


@observation
def written_by_a_layer(learner, weights, x, memory, masks, H, W):
    layer = probe.load(learner.DecoderLayer(x.shape[-1], H, W, 0.5), weights).eval()
    given = [x.clone().requires_grad_(), memory.clone().requires_grad_()]
    y = layer(*given, *masks)
    slopes = probe.parameter_gradients(layer, (y**3).sum())
    return {"y": y, "slopes": slopes | {"x": given[0].grad, "memory": given[1].grad}}


@observation
def branches_dropped(learner, weights, p, decoder):
    """How large the sum of the branches is, without norms and where each branch says 1: shares, in training and after."""
    layer = (learner.DecoderLayer if decoder else learner.EncoderLayer)(4, 2, 6, p)
    probe.load(layer, {name: torch.zeros_like(value) for name, value in layer.named_parameters()})
    probe.load(layer, weights)
    for name in ("norm1", "norm2", "norm3")[: 3 if decoder else 2]:
        setattr(layer, name, nn.Identity())
    x = torch.zeros(60, 50, 4)
    with torch.no_grad():
        ys = [layer.train(mode)(x, x) if decoder else layer.train(mode)(x) for mode in (True, False)]
    unit = [1 / (1 - p), 1.0]
    return [[((y / u).round() == n).float().mean() for n in range(4)] for y, u in zip(ys, unit)]


@observation
def entered(learner, sizes, weights, tokens):
    model = probe.load(learner.Transformer(**sizes, dropout=0.7), weights).eval()
    return model.embed(tokens)


@observation
def entered_in_training(learner, sizes, tokens, p):
    model = learner.Transformer(**sizes, dropout=p)
    probe.load(model, {"embedding.weight": torch.full((sizes["V"], sizes["C"]), 2.0)})
    whole = model.eval().embed(tokens)
    y = model.train().embed(tokens)
    kept = y != 0
    return {"kept": kept.float().mean(), "what became of it": (y / whole)[kept].mean()}


@observation
def masks_of(learner, sizes, pad, source, target):
    model = learner.Transformer(**sizes, pad=pad)
    return {"source": model.source_mask(source), "target": model.target_mask(target)}


@observation
def said(learner, sizes, weights, pad, source, target):
    model = probe.load(learner.Transformer(**sizes, pad=pad, dropout=0.4), weights).eval()
    with torch.no_grad():
        memory = model.encode(source)
        return {
            "memory": memory,
            "decoded, no memory mask": model.decode(target, memory),
            "decoded": model.decode(target, memory, model.source_mask(source)),
            "forward": model(source, target),
        }


@observation
def model_slopes(learner, sizes, weights, pad, source, target):
    model = probe.load(learner.Transformer(**sizes, pad=pad, dropout=0.0), weights)
    return probe.parameter_gradients(model, (model(source, target) ** 2).mean())


@observation
def loss_and_slopes(learner, logits, wanted, how):
    given = logits.clone().requires_grad_()
    loss = learner.smoothed_loss(given, wanted, **how)
    return {"loss": loss, "slopes": probe.gradients(loss, [given])}


@observation
def taught(learner, logits, pad, source, target, how):
    class Pupil(nn.Module):
        def __init__(self):
            super().__init__()
            self.pad = pad
            self.given = []

        def forward(self, source, target):
            self.given.append([source.clone(), target.clone()])
            return logits[:, : target.shape[1]]

    pupil = Pupil()
    loss = learner.teach(pupil, source, target, **how)
    return {"given": pupil.given, "loss": loss}


@observation
def rates(learner, settings):
    return [float(learner.noam(*setting)) for setting in settings]


@observation
def written(learner, tables, pad, source, limit, edges):
    """What is written with a model whose next token depends on the last one and on the row, and how the model is used."""

    class Scripted(nn.Module):
        def __init__(self):
            super().__init__()
            self.pad = pad
            self.read, self.masks = [], {}

        def source_mask(self, source):
            return (source != pad)[:, None, None, :]

        def encode(self, source):
            self.read.append(source.clone())
            return torch.arange(len(source)).float()[:, None, None].expand(*source.shape, 1)  # a row's number

        def decode(self, target, memory, memory_mask=None):
            rows = memory[:, 0, 0].long().tolist()
            for i, row in enumerate(rows):
                self.masks.setdefault(
                    row, memory_mask if memory_mask is None else memory_mask.expand(len(rows), 1, 1, -1)[i]
                )
            return torch.stack([tables[row][tokens] for row, tokens in zip(rows, target)])

    model = Scripted()
    tokens = learner.greedy(model, source, limit, *edges)
    return {"tokens": tokens, "read": model.read, "masks": [model.masks.get(row) for row in range(len(source))]}


@observation
def written_by_a_model(learner, sizes, weights, pad, source, limit):
    model = probe.load(learner.Transformer(**sizes, pad=pad, dropout=0.3), weights).eval()
    return learner.greedy(model, source, limit)


@observation
def learning_to_reverse(learner, sizes, weights, sources, targets, asked, cut, first_loss, first_words):
    """Train, if loss and words before are right: the share of sources then reversed exactly. Adam by hand."""
    model = probe.load(learner.Transformer(**sizes, dropout=0.0), weights)
    parameters = list(model.parameters())
    loss, words = learner.teach(model, sources[0], cut, 0.2), learner.greedy(model, asked[::17], 4)
    found = {"loss before": loss.item(), "words before": words, "reversed exactly": 0.0}
    if abs(loss.item() - first_loss) > 1e-3 or not torch.equal(words, first_words):
        return found
    numbers = nn.utils.parameters_to_vector(parameters).detach()
    nn.utils.vector_to_parameters(numbers, parameters)  # from now on they are pieces of one vector
    mean, square = torch.zeros_like(numbers), torch.zeros_like(numbers)
    for n, (source, target) in enumerate(zip(sources, targets), 1):
        loss = learner.teach(model, source, target)
        slopes = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        slope = nn.utils.parameters_to_vector(slopes)
        mean.mul_(0.9).add_(slope, alpha=0.1)
        square.mul_(0.98).addcmul_(slope, slope, value=0.02)
        rate = 0.01 * min(1.0, n / 20)
        numbers -= rate * mean / (1 - 0.9**n) / ((square / (1 - 0.98**n)).sqrt() + 1e-9)
    written = learner.greedy(model, asked, 4)
    written = F.pad(written, (0, 4 - written.shape[1]))
    right = (written == F.pad(asked.flip(1), (0, 1), value=2)).all(1)
    return found | {"reversed exactly": right.float().mean().item()}


@observation
def searched(learner, table, beams, limit, how):
    """The best text for a model in which the next token depends on how many there are and on the last two."""

    def next_logs(texts):
        n = texts.shape[1]
        before = texts[:, -2] if n > 1 else torch.zeros(len(texts), dtype=torch.long)
        return table[n - 1, before, texts[:, -1]]

    tokens, score = learner.beam_search(probe.Bounded(next_logs, 500), beams, limit, **how)
    return {"tokens": [int(token) for token in tokens], "score": float(score)}


# ---- positions


@part("positions")
def test_every_pair_of_channels_is_a_hand_of_a_clock(observe, expect, rng):
    sizes = [(7, 10), (int(rng.integers(30, 60)), 6), (90, 32)]
    want = [clock(T, width) for T, width in sizes]
    message = "Take the first channel that differs: is it a sine or a cosine, and how fast does its hand turn?"
    expect(observe(signatures, sizes), want, message, rtol=0, atol=1e-4)


@part("positions")
def test_the_first_position_and_the_fastest_hand(observe, expect):
    got = observe(signatures, [(1, 6), (4, 2)])
    turned = torch.tensor([[math.sin(t), math.cos(t)] for t in range(4)])
    message = "At t = 0 all hands point the same way; with two channels the one hand turns by a radian at every step."
    expect(got, [torch.tensor([[0.0, 1.0] * 3]), turned], message, dtype=True)


# ---- layer norm


def normed_by_torch(x, weight, bias, eps=1e-5):
    given = [t.double().clone().requires_grad_() for t in (x, weight, bias)]
    y = F.layer_norm(given[0], x.shape[-1:], given[1], given[2], eps)
    return {"y": y.detach().float(), "slopes": [s.float() for s in torch.autograd.grad((y**3).sum(), given)]}


@part("layer_norm")
@pytest.mark.parametrize("shape", [(3, 5, 12), (4, 7), (6,), (5, 9, 2)])
def test_it_is_torchs_layer_norm(observe, expect, rng, shape):
    x = normal(rng, *shape, size=0.4) + torch.linspace(-1, 3, shape[-1])  # no row without variance: slopes are tame
    weight, bias = normal(rng, shape[-1]), normal(rng, shape[-1])
    message = "Mean and variance of one position, over its channels. By what is the sum of squares divided?"
    got = observe(normed, x, weight, bias)
    expect(got, normed_by_torch(x, weight, bias), message, rtol=1e-3, atol=1e-3)


@part("layer_norm")
def test_epsilon_is_added_to_the_variance(observe, expect, rng):
    x, weight, bias = normal(rng, 4, 3, 8, size=0.3), normal(rng, 8), normal(rng, 8)
    for eps in (0.4, 1e-3):
        got = observe(normed, x, weight, bias, eps)
        message = f"The variance is small here, and eps = {eps}. What is it added to: before the root or after?"
        expect(got, normed_by_torch(x, weight, bias, eps), message, rtol=1e-3, atol=1e-3)


@part("layer_norm")
def test_a_position_without_variance_becomes_the_bias(observe, expect, rng):
    x, weight, bias = torch.full((2, 6), 3.0), normal(rng, 6), normal(rng, 6)
    got = observe(normed, x, weight, bias)
    expect(got["y"], bias.expand(2, 6), "All channels alike: 0 over a root. What keeps it from being NaN?")


@part("layer_norm")
def test_positions_far_from_zero_keep_their_pattern(observe, expect, rng):
    x = normal(rng, 5, 16) + torch.tensor([3000.0, -2000.0, 1000.0, -500.0, 2500.0])[:, None]
    weight, bias = torch.ones(16), torch.zeros(16)
    got = observe(normed, x, weight, bias)
    want = normed_by_torch(x, weight, bias)["y"]
    message = "The mean is 3000 and the variance 1. Are two huge numbers subtracted anywhere in your variance?"
    expect(got["y"], want, message, rtol=0, atol=0.01)


# ---- the encoder layer


@part("encoder_layer")
def test_the_feed_forward_part_widens_cuts_off_and_narrows(observe, expect, rng):
    weights = {n.removeprefix("feed_forward."): w for n, w in weights_of(rng, "encoder").items() if "linear" in n}
    x = normal(rng, 3, C, 5).transpose(1, 2)
    hidden_part = F.linear(x, weights["linear1.weight"], weights["linear1.bias"]).clamp(min=0)
    want = F.linear(hidden_part, weights["linear2.weight"], weights["linear2.bias"])
    message = "Two linear layers with something between them. What, and at which width?"
    expect(observe(thoughts, weights, x), want, message)


@part("encoder_layer")
def test_the_feed_forward_part_drops_what_is_wide_in_training_only(observe, expect):
    got = observe(thoughts_dropped, 0.3)
    message = (
        "Rate 0.3, wide numbers of 1, a narrowing that adds 1. Where is dropped, when, and what becomes of the rest?"
    )
    expect(got, [[0.3, 1.0, 1 + 1 / 0.7], [1.0, 2.0, 2.0]], message, rtol=0, atol=0.03)


def torch_encoder_layer(weights, x, mask=None):
    layer = filled(nn.TransformerEncoderLayer(C, H, W, dropout=0.0, batch_first=True), weights)
    given = x.clone().requires_grad_()
    y = layer(given, hidden(mask, H, *x.shape[:2], x.shape[1]))
    (y**3).sum().backward()
    return {"y": y.detach(), "slopes": slopes_in(layer, weights) | {"x": given.grad}}


@part("encoder_layer")
@pytest.mark.parametrize("shape", [None, (3, 1, 1, 7), (3, H, 7, 7)])
def test_an_encoder_layer_is_torchs(observe, expect, rng, shape):
    weights, x = weights_of(rng, "encoder"), normal(rng, 7, 3, C, size=2.0).transpose(0, 1)
    mask = None if shape is None else some(rng, *shape)
    got, want = observe(read_by_a_layer, weights, x, mask, H, W), torch_encoder_layer(weights, x, mask)
    expect(got["y"], want["y"], "Twice: branch, sum, norm. Which comes first, and who gets the mask?", atol=1e-4)
    got = without_key_bias(got["slopes"])
    expect(
        got, want["slopes"], "The values agree with torch. Which weight does the slope not reach?", rtol=1e-3, atol=1e-2
    )


def dropped(p, branches):
    """Shares of the sums 0, 1, 2, 3 of branches that are each kept with probability 1 - p; then without dropout."""
    shares = [math.comb(branches, n) * (1 - p) ** n * p ** (branches - n) for n in range(4)]
    return [shares, [float(n == branches) for n in range(4)]]


SPEAKING = {"attention.out.bias": torch.ones(4), "feed_forward.linear2.bias": torch.ones(4)}


@part("encoder_layer")
def test_what_a_branch_of_the_encoder_says_is_dropped_in_training_only(observe, expect):
    message = "Two branches say 1, the norms are taken out, rate 0.4. How often should the sum be 0, 1 and 2?"
    expect(observe(branches_dropped, SPEAKING, 0.4, False), dropped(0.4, 2), message, rtol=0, atol=0.03)


# ---- the decoder layer


def torch_decoder_layer(weights, x, memory, mask=None, memory_mask=None):
    layer = filled(nn.TransformerDecoderLayer(C, H, W, dropout=0.0, batch_first=True), weights)
    given, (B, T), S = [x.clone().requires_grad_(), memory.clone().requires_grad_()], x.shape[:2], memory.shape[1]
    y = layer(*given, tgt_mask=hidden(mask, H, B, T, T), memory_mask=hidden(memory_mask, H, B, T, S))
    (y**3).sum().backward()
    return {"y": y.detach(), "slopes": slopes_in(layer, weights) | {"x": given[0].grad, "memory": given[1].grad}}


@part("decoder_layer")
@pytest.mark.parametrize("masked", ["not", "the target", "the memory", "both"])
def test_a_decoder_layer_is_torchs(observe, expect, rng, masked):
    weights, x, memory = weights_of(rng, "decoder"), normal(rng, 3, 5, C, size=2.0), normal(rng, 3, 7, C)
    mask = torch.ones(5, 5).tril().bool() & some(rng, 3, 1, 1, 5).index_fill(-1, torch.tensor([0]), True)
    memory_mask = some(rng, 3, 1, 5, 7)
    masks = (
        mask if masked in ("the target", "both") else None,
        memory_mask if masked in ("the memory", "both") else None,
    )
    got = observe(written_by_a_layer, weights, x, memory, masks, H, W)
    want = torch_decoder_layer(weights, x, memory, *masks)
    message = (
        "Three times: branch, sum, norm. Who asks whom in the second one, which mask is whose, and is any step missing?"
    )
    expect(got["y"], want["y"], message, atol=1e-4)
    got = without_key_bias(got["slopes"])
    expect(
        got, want["slopes"], "The values agree with torch. Which weight does the slope not reach?", rtol=1e-3, atol=1e-2
    )


@part("decoder_layer")
def test_what_is_not_written_yet_cannot_change_what_is(observe, expect, rng):
    weights, x, memory = weights_of(rng, "decoder"), normal(rng, 2, 6, C), normal(rng, 2, 4, C)
    causal = torch.ones(6, 6).tril().bool()
    other = torch.cat((x[:, :3], normal(rng, 2, 3, C)), 1)
    got = [
        observe(written_by_a_layer, weights, given, memory, (causal, None), H, W)["y"][:, :3] for given in (x, other)
    ]
    want = torch_decoder_layer(weights, x, memory, causal)["y"][:, :3]
    expect(got, [want, want], "Only positions 3 to 5 differ between the two. Why do 0 to 2 notice?", atol=1e-4)


@part("decoder_layer")
def test_what_a_branch_of_the_decoder_says_is_dropped_in_training_only(observe, expect):
    weights = SPEAKING | {"cross_attention.out.bias": torch.ones(4)}
    message = "Three branches say 1, the norms are taken out, rate 0.3. How often should the sum be 0, 1, 2 and 3?"
    expect(observe(branches_dropped, weights, 0.3, True), dropped(0.3, 3), message, rtol=0, atol=0.03)


# ---- the whole


@part("transformer")
def test_words_enter_as_large_as_their_places(observe, expect, rng):
    for width, T in ((C, 5), (20, 9)):
        sizes = {"V": 13, "C": width, "H": 4, "W": 6, "encoders": 1, "decoders": 1}
        table, tokens = normal(rng, 13, width, size=0.5), torch.from_numpy(rng.integers(0, 13, (3, T)))
        want = table[tokens] * math.sqrt(width) + clock(T, width)
        message = f"C = {width}. What is the word multiplied by, and what is added to it as it is?"
        expect(observe(entered, sizes, {"embedding.weight": table}, tokens), want, message, rtol=1e-3, atol=1e-4)


@part("transformer")
def test_what_enters_is_dropped_in_training_only(observe, expect, rng):
    tokens = torch.from_numpy(rng.integers(0, 11, (70, 6)))
    got = observe(entered_in_training, SIZES, tokens, 0.35)
    want = {"kept": 0.65, "what became of it": 1 / 0.65}
    expect(
        got,
        want,
        "Rate 0.35, on the sum of word and place. What is gone, and what becomes of the rest?",
        rtol=0,
        atol=0.03,
    )


@part("transformer")
def test_each_mask_hides_what_it_should(observe, expect, rng):
    for pad in (0, int(rng.integers(2, 9))):
        source, target = sentences(rng, (7, 3, 5), 7, pad), sentences(rng, (2, 5, 4), 5, pad)
        want = {
            "source": torch.tensor([[[[t != pad for t in row]]] for row in source.tolist()]),
            "target": torch.tensor(
                [[[[row[j] != pad and j <= i for j in range(5)] for i in range(5)]] for row in target.tolist()]
            ),
        }
        message = f"Padding is token {pad}, True may look. Which cell (row asks, column answers) is wrong first?"
        expect(observe(masks_of, SIZES, pad, source, target), want, message, dtype=True)


@part("transformer")
@pytest.mark.parametrize("pad", [0, 6])
def test_the_scores_are_those_of_nn_transformer(observe, expect, rng, pad):
    weights = weights_of(rng, "whole")
    source, target = sentences(rng, (7, 3, 5), 7, pad), sentences(rng, (2, 5, 4), 5, pad)
    twin = Twin(weights, pad)
    with torch.no_grad():
        memory = twin.encode(source)
        whole = twin.decode(target, memory, source)
        want = {
            "memory": memory,
            "decoded, no memory mask": twin.decode(target, memory),
            "decoded": whole,
            "forward": whole,
        }
    message = (
        "Embed, all layers under their masks, the stack's own norm; the head at the end. What is missing, and where?"
    )
    expect(observe(said, SIZES, weights, pad, source, target), want, message, rtol=1e-3, atol=1e-3)


@part("transformer")
def test_every_weight_learns_as_in_nn_transformer(observe, expect, rng):
    weights = weights_of(rng, "whole")
    source, target = sentences(rng, (4, 6), 6, 3), sentences(rng, (5, 4), 5, 3)
    twin = Twin(weights, 3)
    (twin(source, target) ** 2).mean().backward()
    got = observe(model_slopes, SIZES, weights, 3, source, target)
    message = "The table hears from three places: source, target and head. Which weight hears too little?"
    expect(without_key_bias(got), twin.slopes(), message, rtol=1e-2, atol=1e-3)


# ---- the loss


def loss_by_torch(logits, wanted, smoothing, pad):
    given = logits.clone().requires_grad_()
    loss = F.cross_entropy(given.flatten(0, 1), wanted.flatten(), ignore_index=pad, label_smoothing=smoothing)
    return {"loss": loss.detach(), "slopes": list(torch.autograd.grad(loss, [given]))}


@part("loss")
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.45])
def test_the_smoothed_loss_is_torchs(observe, expect, rng, smoothing):
    logits, wanted = normal(rng, 3, 5, 7, size=2.0), torch.from_numpy(rng.integers(1, 7, (3, 5)))
    wanted[0, 3:], wanted[2, 1:] = 0, 0
    got = observe(loss_and_slopes, logits, wanted, {"smoothing": smoothing})
    message = f"ε = {smoothing}. Who gets a share of it, how many share, and over which positions is the mean?"
    expect(got, loss_by_torch(logits, wanted, smoothing, 0), message)


@part("loss")
def test_padding_is_whichever_token_is_said(observe, expect, rng):
    logits, wanted = normal(rng, 2, 6, 9), torch.from_numpy(rng.permutation(9)[:6]).expand(2, 6).clone()
    pad = int(wanted[0, 2])
    got = observe(loss_and_slopes, logits, wanted, {"pad": pad})
    message = f"Nothing is said about ε, so it is a tenth; padding is token {pad}, and token 0 is a word."
    expect(got, loss_by_torch(logits, wanted, 0.1, pad), message)


@part("loss")
def test_huge_scores_have_a_finite_loss(observe, expect, rng):
    logits = normal(rng, 2, 3, 5, size=0.1) + 1000.0 * torch.from_numpy(rng.permutation([-1.0, 0.4, 0.9, -0.3, 1.0]))
    wanted = torch.from_numpy(rng.integers(1, 5, (2, 3)))
    got = observe(loss_and_slopes, logits.float(), wanted, {"smoothing": 0.2})
    expect(
        got,
        loss_by_torch(logits.float(), wanted, 0.2, 0),
        "e to the power of 1000 is infinite. Who takes the logarithm?",
    )


@part("loss")
def test_the_decoder_is_given_what_comes_before(observe, expect, rng):
    pad = 4
    source, target = sentences(rng, (3, 6), 6, pad), sentences(rng, (5, 3), 5, pad, first=1)
    logits, smoothing = normal(rng, 2, 5, SIZES["V"]), float(rng.uniform(0.2, 0.4))
    for how, used in (({}, 0.0), ({"smoothing": smoothing}, smoothing)):
        want = {
            "given": [[source, target[:, :4]]],
            "loss": loss_by_torch(logits[:, :4], target[:, 1:], used, pad)["loss"],
        }
        message = "The targets have five positions. Which four is the decoder given, and which four is it to say?"
        expect(observe(taught, logits, pad, source, target, how), want, message)


# ---- the schedule


@part("schedule")
def test_the_rate_follows_the_formula(observe, expect, rng):
    width, warmup, factor = int(rng.integers(20, 600)), int(rng.integers(50, 5000)), float(rng.uniform(0.3, 3))
    steps = [1, 2, warmup // 3, warmup - 1, warmup, warmup + 1, 7 * warmup]
    want = [factor / math.sqrt(width) * min(1 / math.sqrt(n), n / warmup**1.5) for n in steps]
    message = f"C = {width}, warm-up {warmup}, steps {steps}: which of the two branches is off, and by what factor?"
    expect(observe(rates, [(n, width, warmup, factor) for n in steps]), want, message)


@part("schedule")
def test_the_papers_base_model_peaks_at_step_4000(observe, expect):
    message = "Nothing said: 4000 steps of warm-up, factor 1. Before the peak a line through 0, after it the root."
    got = observe(rates, [(n, 512) for n in (1000, 2000, 4000, 16_000, 100_000)])
    peak = 1 / math.sqrt(512 * 4000)
    expect(got, [peak / 4, peak / 2, peak, peak / 2, peak / 5], message)


# ---- writing


def script(rng, paths, V):
    """One table of scores (V, V) for each path of tokens: after each of them the next one is the most probable."""
    tables = normal(rng, len(paths), V, V)
    for table, path in zip(tables, paths):
        for here, then in itertools.pairwise(path):
            table[here, then] = 9.0 + float(rng.uniform(0, 1))
    return tables


@part("greedy")
@pytest.mark.parametrize("limit", [9, 5, 3])
def test_rows_end_with_eos_and_wait_as_padding(observe, expect, rng, limit):
    pad, bos, eos = (0, 1, 2) if limit == 9 else (int(n) for n in rng.permutation(13)[:3])
    words = rng.permutation(np.setdiff1d(np.arange(13), [pad, bos, eos])).tolist()
    paths = [[bos, *words[:n], eos] for n in (3, 0, 5, 2)]
    source = sentences(rng, (6, 4, 3, 5), 6, pad)
    n = min(limit, 6)
    rows = [(path[1:] + [pad] * 9)[:n] for path in paths]
    want = {"tokens": torch.tensor(rows), "read": [source], "masks": list((source != pad)[:, None, None, :])}
    edges = () if limit == 9 else (bos, eos)
    got = observe(written, script(rng, paths, 13), pad, source, limit, edges)
    message = (
        f"Rows of 4, 1, 6 and 3 tokens with EOS, limit {limit}. What stands after a row's EOS, and when is it all over?"
    )
    expect(got, want, message, dtype=True)


def by_a_slow_loop(twin, source, limit):
    """Greedy decoding with BOS 1 and EOS 2, row by row, and the whole model for every token."""
    rows = []
    with torch.no_grad():
        for row in source:
            text = [1]
            while len(text) <= limit and text[-1] != 2:
                text.append(twin(row[None], torch.tensor([text]))[0, -1].argmax().item())
            rows.append(text[1:])
    n = max(map(len, rows))
    return torch.tensor([row + [twin.pad] * (n - len(row)) for row in rows])


@part("greedy")
def test_it_writes_what_a_slow_loop_writes(observe, expect, rng):
    pad, weights = 0, weights_of(rng, "whole")
    weights["head.bias"] = weights["head.bias"] - 50.0 * (torch.arange(11) == 2)  # EOS never comes
    source = sentences(rng, (7, 2, 4, 5, 1), 7, pad)
    got = observe(written_by_a_model, SIZES, weights, pad, source, 6)
    message = (
        "Whose scores choose the next token: those after the last one written? And does padding in the source speak?"
    )
    expect(got, by_a_slow_loop(Twin(weights, pad), source, 6), message)


def every_search(table, limit, alpha, eos, bos):
    """The best score and text by trying everything, for small tables."""
    best, V, table = (-math.inf, []), table.shape[-1], table.tolist()
    words = [v for v in range(V) if v != eos]
    texts = ([*start, last] for n in range(limit) for start in itertools.product(words, repeat=n) for last in range(V))
    for text in texts:
        if text[-1] == eos or len(text) == limit:
            best = max(best, (log_of(table, text, bos) / ((5 + len(text)) / 6) ** alpha, text))
    return {"tokens": best[1], "score": best[0]}


def log_of(table, text, bos):
    whole = [0, bos, *text]
    return sum(table[n][whole[n]][whole[n + 1]][token] for n, token in enumerate(text))


def slow_search(table, beams, limit, alpha, eos, bos, shrinking=False):
    """Beam search on lists; `shrinking` is the other one, in which a finished text keeps its place for good."""
    table, heap, done = table.tolist(), [(0.0, [0, bos])], []
    for n in range(limit):
        longer = [(log + new, [*text, v]) for log, text in heap for v, new in enumerate(table[n][text[-2]][text[-1]])]
        kept = sorted(longer, reverse=True)[: beams - shrinking * len(done)]
        done += [(log, text) for log, text in kept if text[-1] == eos or n == limit - 1]
        heap = [(log, text) for log, text in kept if text[-1] != eos]
    score, text = max((log / ((5 + len(text) - 2) / 6) ** alpha, text[2:]) for log, text in done)
    return {"tokens": text, "score": score}


def language(rng, V, limit, eos, likely=0.0):
    """Log-probabilities (limit, V, V, V) of the next token by place and the last two tokens."""
    logits = normal(rng, limit, V, V, V, size=1.5)
    logits[..., eos] += likely
    return logits.log_softmax(-1)


@part("beam")
@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_a_beam_wide_enough_finds_the_best_of_all(observe, expect, rng, alpha):
    for limit in (4, 5):
        table = language(rng, 4, limit, eos=2, likely=-0.5)
        got = observe(searched, table, 4**limit, limit, {} if alpha == 0.6 else {"alpha": alpha})
        message = (
            f"All texts of up to {limit} tokens are in the beam, α = {alpha}. What is a text's score, and which counts?"
        )
        expect(got, every_search(table, limit, alpha, eos=2, bos=1), message)


@part("beam")
@pytest.mark.parametrize("beams", [1, 2, 3, 4])
def test_a_narrow_beam_keeps_the_best_of_each_round(observe, expect, rng, beams):
    for eos, bos in ((2, 1), (0, 4)):
        for _ in range(40):  # until it matters that a finished text's place is free again in the next round
            table = language(rng, 6, 7, eos, likely=0.5)
            want = slow_search(table, beams, 7, 0.9, eos, bos)
            if beams == 1 or want != slow_search(table, beams, 7, 0.9, eos, bos, shrinking=True):
                break
        how = {"alpha": 0.9} if eos == 2 else {"alpha": 0.9, "bos": bos, "eos": eos}
        message = (
            f"{beams} beams, 6 tokens, 7 rounds. Among which texts is chosen in each round, and what becomes of EOS?"
        )
        expect(observe(searched, table, beams, 7, how), want, message)


@part("beam")
def test_a_text_that_never_ends_is_cut_off(observe, expect, rng):
    table = language(rng, 5, 4, eos=2, likely=-40.0)
    for limit in (4, 1):
        got = observe(searched, table, 3, limit, {})
        expect(
            got,
            slow_search(table, 3, limit, 0.6, 2, 1),
            f"No EOS within {limit} rounds. Is what is open returned as it is?",
        )


@part("beam")
def test_the_penalty_saves_a_long_text_from_the_empty_one(observe, expect, rng):
    p = np.full((9, 7, 7, 7), 0.01)
    p[:8, ..., 5], p[..., 2] = 0.8, 0.19
    p[8, ..., 2] = 0.9
    table = torch.from_numpy(p / p.sum(-1, keepdims=True)).log().float()
    for alpha, beams in ((0.0, 2), (0.6, 2), (0.6, 5)):
        want = slow_search(table, beams, 9, alpha, 2, 1)
        message = (
            f"α = {alpha}: the empty text has 0.19, the one of eight words 0.15 in all. Which wins, and by how much?"
        )
        expect(observe(searched, table, beams, 9, {"alpha": alpha}), want, message)


@part("beam")
@pytest.mark.parametrize("beams", [1, 2])
def test_a_text_that_ends_has_had_a_place_in_that_round(observe, expect, beams):
    p = np.full((7, 6, 6, 6), 0.001)
    p[0, ..., 2], p[0, ..., 3] = 0.40, 0.35
    p[1:4, ..., 3], p[4:, ..., 2] = 0.99, 0.99
    table = torch.from_numpy(p / p.sum(-1, keepdims=True)).log().float()
    message = (
        f"{beams} of six continuations are kept: EOS is likeliest, then a word that leads to a better text. Which?"
    )
    expect(observe(searched, table, beams, 7, {}), slow_search(table, beams, 7, 0.6, 2, 1), message)


# ---- all of it together, last because it takes longest


@functools.cache  # the same for everybody
def reversing():
    """Arguments of `learning_to_reverse`; its last two are what nn.Transformer says before the first step."""
    draws, sizes = torch.Generator().manual_seed(SEED), {"V": 8, "C": 16, "H": 2, "W": 24, "encoders": 1, "decoders": 1}
    weights = {}
    for name, shape in shapes_of("whole", sizes).items():
        start = torch.randn(shape, generator=draws) / math.sqrt(shape[-1])
        weights[name] = (
            start if len(shape) == 2 else torch.full(shape, float(bool(re.search(r"norm\d?\.weight", name))))
        )
    sources = torch.randint(3, 8, (STEPS, 32, 3), generator=draws)
    targets = F.pad(F.pad(sources.flip(-1), (1, 0), value=1), (0, 1), value=2)
    twin, cut = Twin(weights, 0, sizes), targets[0].clone()
    cut[::3, 2:] = 0  # for the loss before training, some targets end early
    first = loss_by_torch(twin(sources[0], cut[:, :-1]).detach(), cut[:, 1:], 0.2, 0)["loss"].item()
    asked = torch.cartesian_prod(*[torch.arange(3, 8)] * 3)
    return sizes, weights, sources, targets, asked, cut, first, by_a_slow_loop(twin, asked[::17], 4)


@part("greedy")
def test_it_learns_to_reverse_digits(observe, expect):
    *_, first, words = arguments = reversing()
    got = observe(learning_to_reverse, *arguments, seconds=40.0)
    before = [got["loss before"], got["words before"]]
    expect(
        before,
        [first, words],
        "Before the first step, against nn.Transformer. Where this is off, there is no training.",
    )
    message = "Three digits, a hundred steps, then it writes by itself. What was it shown that it was asked for?"
    expect(got["reversed exactly"], 0.77, message, rtol=0, atol=0.24)
