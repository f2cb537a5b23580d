"""Checks of the depth exam: probes on hand-built models whose reading is known in closed form.

The patients are tables: a token becomes a row of random numbers, and what happens to the rows is one line. The oracles
below compute in NumPy what each probe must read off them.
"""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from autograder.judge import observation, part, raises


def normal(rng, *shape, size=1.0):
    return torch.from_numpy(rng.normal(size=shape) * size).float()


def distinct(rng, B, T, V):
    """Tokens (B, T), all different within a row."""
    return torch.from_numpy(np.stack([rng.permutation(V)[:T] for _ in range(B)]))


def sizes(rng):
    """B, T and V, pairwise different."""
    return int(rng.integers(3, 5)), int(rng.integers(6, 8)), int(rng.integers(9, 13))


@observation
def reading(learner, table, tokens, p, modes):
    """A model with dropout, each piece in a mode of its own: what is answered, and how it and the recording are left."""
    recording = []  # in the model, afterwards, and both once more for a caller who records nothing

    class Inner(nn.Module):
        def forward(self, x):
            return F.dropout(x, p, self.training)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(table.clone())
            self.first, self.second = Inner(), nn.Sequential(nn.Dropout(p))

        def forward(self, tokens):
            recording.append(torch.is_grad_enabled())
            return self.second(self.first(self.table[tokens])) * (1.0 + self.training)

    model, mine = Model(), tokens.clone()
    for module, mode in zip(model.modules(), modes):
        module.training = mode
    logits = learner.answers(model, mine)
    recording.append(torch.is_grad_enabled())
    with torch.no_grad():
        again = learner.answers(model, mine)
        recording.append(torch.is_grad_enabled())
    torch.set_grad_enabled(True)
    return {
        "logits": logits.detach(),
        "again": again.detach(),
        "requires a gradient": logits.requires_grad,
        "recording": recording,
        "modes": [module.training for module in model.modules()],
        "learns": model.table.requires_grad,
        "tokens": mine,
    }


@observation
def reading_of_a_function(learner, table, tokens):
    weights, recording = table.clone().requires_grad_(), []

    def model(given):
        recording.append(torch.is_grad_enabled())
        return weights[given]

    logits = learner.answers(model, tokens)
    return logits.detach(), logits.requires_grad, [*recording, torch.is_grad_enabled()]


@observation
def modes_after_an_error(learner, tokens, modes):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Dropout(0.5), nn.Sequential(nn.ReLU())

        def forward(self, tokens):
            raise IndexError("no such token")

    model = Model()
    for module, mode in zip(model.modules(), modes):
        module.training = mode
    try:
        learner.answers(model, tokens)
    except IndexError as error:
        return str(error), [module.training for module in model.modules()]
    return "nothing", [module.training for module in model.modules()]


@observation
def error_passes_on(learner, tokens):
    def model(tokens):
        raise IndexError("no such token")

    learner.answers(model, tokens)


@observation
def map_of(learner, table, weights, tokens):
    """The map of a model in which answer t is the sum of weights[t, s] times the row of the token at s."""
    mine = tokens.clone()

    def model(given):
        return torch.einsum("ts,bsv->btv", weights, table[given])

    return {"map": learner.influence(model, mine), "tokens": mine}


@observation
def map_of_a_dropping_model(learner, table, weights, tokens):
    """The map of a module that drops in training mode; it is left training."""

    class Model(nn.Module):
        def forward(self, given):
            return torch.einsum("ts,bsv->btv", weights, F.dropout(table[given], 0.4, self.training))

    model = Model()
    return {"map": learner.influence(model, tokens), "training": model.training}


@observation
def ahead_of(learner, moved):
    mine = [each.clone() for each in moved]
    return {"ahead": [learner.sees_ahead(each) for each in mine], "maps": mine}


@observation
def company(learner, table, shares, tokens, drops=False):
    """neighbours() of a model in which a row gets a share of the batch's mean; how large, its first token says."""

    class Model(nn.Module):
        def forward(self, given):
            x = table[given]
            x = F.dropout(x, 0.4, self.training) if drops else x
            return x + shares[given[:, 0]][:, None, None] * (x.double().mean(0).float() - x)

    return learner.neighbours(Model(), tokens)


@observation
def order_of(learner, table, weights, tokens, drops=False):
    """order_matters() of a model whose answer at t is the sum of weights[t, s] times the row of token s."""
    mine = tokens.clone()

    class Model(nn.Module):
        def forward(self, given):
            x = torch.einsum("ts,bsv->btv", weights, table[given])
            return F.dropout(x, 0.4, self.training) if drops else x

    return learner.order_matters(Model(), mine), mine


@observation
def surprise_of(learner, table, tokens, targets):
    class Model(nn.Module):
        def forward(self, given):
            return F.dropout(table[given], 0.4, self.training)

    mine = targets.clone()
    return {"surprise": learner.surprise(Model(), tokens, mine), "targets": mine}


@observation
def sizes_of(learner, shapes, factors, frozen, earlier):
    """gradient_sizes() where the loss is the sum of factors times parameters; some got a gradient before."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            for name, shape in shapes.items():
                setattr(self, name, nn.Parameter(torch.full(shape, 3.0), requires_grad=name not in frozen))

    model = Model()
    for name, gradient in earlier.items():
        getattr(model, name).grad = gradient.clone()
    loss = sum((factor * getattr(model, name)).sum() for name, factor in factors.items())
    found = learner.gradient_sizes(model, loss)
    left = {name: parameter.grad for name, parameter in model.named_parameters()}
    return {"sizes": found, "order": list(found), "grads afterwards": left}


@observation
def lists_of(learner, sizes, many=None):
    silent, loud = learner.silent_and_loud(sizes) if many is None else learner.silent_and_loud(sizes, many)
    return {"silent": list(silent), "loud": list(loud)}


@observation
def by_heart(learner, table, tokens, targets, rate, steps, earlier, training):
    """overfits() with momentum on a table of eighths of logits, with dropout; and what became of the model."""
    counts = {"back": 0, "stepped": 0}

    def count(event):
        counts[event] = min(counts[event] + 1, steps)  # a step after the last loss does no harm

    class Descent:
        def __init__(self, parameters):
            self.parameters = list(parameters)
            self.speeds = [0.0] * len(self.parameters)

        def zero_grad(self, set_to_none=True):
            for parameter in self.parameters:
                parameter.grad = None

        def step(self):
            count("stepped")
            with torch.no_grad():
                for place, parameter in enumerate(self.parameters):
                    if parameter.grad is not None:
                        self.speeds[place] = 0.5 * self.speeds[place] + parameter.grad
                        parameter -= rate / 64 * self.speeds[place]

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(table / 8)

        def forward(self, given):
            logits = F.dropout(8 * self.table[given], 0.3, self.training)
            if logits.requires_grad:
                logits.register_hook(lambda slope: count("back"))
            return logits

    model = Model().train(training)
    model.table.grad = earlier.clone()
    losses = [float(loss) for loss in learner.overfits(model, tokens, targets, Descent, steps)]
    return {
        "losses": losses,
        "table": 8 * model.table.detach(),
        "gradient": model.table.grad,
        "training": model.training,
        "rounds": counts,
    }


@observation
def patched(learner, weights, x, r, alpha, bias, given):
    base = probe.load(nn.Linear(weights["weight"].shape[1], weights["weight"].shape[0], bias=bias), weights)
    layer = learner.LoRALinear(base, r, alpha)
    first, mine = layer(x), x.clone().requires_grad_()
    with torch.no_grad():
        layer.A.copy_(given["A"])
        layer.B.copy_(given["B"])
    later = layer(mine)
    later.sum().backward()
    return {"at the start": first, "later": later, "x hears": mine.grad, "names": probe.shapes(layer)}


@observation
def patch_at_birth(learner, inside, out, r, alpha):
    """What wants a gradient and gets one, whether the base is the one that was given, and how A and B start."""
    base = nn.Linear(inside, out)
    layer = learner.LoRALinear(base, r, alpha)
    layer(torch.ones(3, inside)).square().sum().backward()
    return {
        "learn": {name: parameter.requires_grad for name, parameter in layer.named_parameters()},
        "B hears": float(layer.B.grad.abs().max() > 0),
        "A hears": float(layer.A.grad.abs().max()),
        "the same base": layer.base is base,
        "deviation of A": layer.A.std() * inside**0.5,
        "mean of A": layer.A.mean() * inside**0.5,
        "share of A within a deviation": (layer.A.abs() * inside**0.5 < 1).float().mean(),
        "largest of B": layer.B.abs().max(),
    }


@observation
def merged_twice(learner, weights, x, r, alpha, bias, given):
    base = probe.load(nn.Linear(weights["weight"].shape[1], weights["weight"].shape[0], bias=bias), weights)
    layer = learner.LoRALinear(base, r, alpha)
    with torch.no_grad():
        layer.A.copy_(given["A"])
        layer.B.copy_(given["B"])
    first, second = layer.merged(), layer.merged()
    return {
        "kind": type(first).__name__,
        "bias": first.bias is not None,
        "first": first(x),
        "second": second(x),
        "patched afterwards": layer(x),
        "base afterwards": base.weight,
        "shared with the base": [a.data_ptr() == b.data_ptr() for a, b in zip(first.parameters(), base.parameters())],
        "A and B": (layer.A, layer.B),
    }


# ---- answers


@part("answers")
def test_the_model_holds_still_and_is_left_as_it_was(observe, expect, rng):
    B, T, V = sizes(rng)
    table, tokens = normal(rng, V, V), distinct(rng, B, T, V)
    for modes in ([True] * 4, [False] * 4, [True, False, True, False], [False, True, True, False]):
        want = {
            "logits": table[tokens],
            "again": table[tokens],
            "requires a gradient": False,
            "recording": [False, True, False, False],
            "modes": modes,
            "learns": True,
            "tokens": tokens,
        }
        message = f"Training: {modes}. How does the model answer, how are its modes left, and when is a graph recorded?"
        expect(observe(reading, table, tokens, 0.4, modes), want, message)


@part("answers")
def test_a_plain_function_is_a_model_too(observe, expect, rng):
    B, T, V = sizes(rng)
    table, tokens = normal(rng, V, V), distinct(rng, B, T, V)
    message = "A function that returns logits. May its answer record a graph, and is recording on again afterwards?"
    expect(observe(reading_of_a_function, table, tokens), (table[tokens], False, [False, True]), message)


@part("answers")
def test_an_error_leaves_the_modes_as_they_were(observe, expect, rng):
    tokens = distinct(rng, 2, 3, 7)
    for modes in ([True, True, False, True], [True, False, True, False]):
        message = "The model raised an error in the middle of the reading. In which modes is it now?"
        expect(observe(modes_after_an_error, tokens, modes), ("no such token", modes), message)
    got = observe(error_passes_on, tokens, may_raise=True)
    expect(got, raises("IndexError"), "The model raised an error. Who is to hear of it?")


# ---- ahead


def map_wanted(table, weights, tokens):
    """Entry (t, s): the largest of |weights[t, s]| times the change of a row of the table."""
    step = (table[(tokens + 1) % len(table)] - table[tokens]).abs().amax(dim=(0, 2))  # (T,)
    return weights.abs() * step


@part("ahead")
@pytest.mark.parametrize("kind", ["looks ahead", "causal", "anything", "one sided"])
def test_the_map_says_who_reads_whom(observe, expect, rng, kind):
    B, T, V = sizes(rng)
    table, tokens, weights = normal(rng, V, V), distinct(rng, B, T, V), normal(rng, T, T)
    tokens[:, 1] = V - 1
    if kind == "one sided":  # a row of the table is lower than the one before it in every column, but for the first
        table = normal(rng, V, V, size=0.1) - 3 * torch.arange(V)[:, None]
        tokens = torch.from_numpy(rng.integers(0, V - 1, (B, T)))
        weights = weights.abs()
    if kind == "looks ahead":
        weights = weights.triu(-1).tril(2)
    if kind == "causal":
        weights = weights.tril()
    message = (
        f"Answer t is a weighted sum of the tokens' rows in a table ({kind}). The token at s becomes the next number, "
        "in every row of the batch: how far does a logit of answer t move, up or down, and which entry of the map is it?"
    )
    want = {"map": map_wanted(table, weights, tokens), "tokens": tokens}
    expect(observe(map_of, table, weights, tokens), want, message)


@part("ahead")
def test_the_map_is_read_while_nothing_is_dropped(observe, expect, rng):
    B, T, V = sizes(rng)
    table, tokens, weights = normal(rng, V, V), distinct(rng, B, T, V), normal(rng, T, T).tril()
    want = {"map": map_wanted(table, weights, tokens), "training": True}
    message = "The model is in training mode, with dropout. Through which of your functions is it asked?"
    expect(observe(map_of_a_dropping_model, table, weights, tokens), want, message)


@part("ahead")
def test_how_far_ahead_it_looks(observe, expect, rng):
    maps, want = [], []
    for ahead in (0, 1, 2, 4):
        T = int(rng.integers(6, 9))
        moved = (normal(rng, T, T).abs() + 0.3).tril(ahead)
        moved[0, ahead] = 0.5
        for size in (1.0, 1e-7, 3e6):
            rounding = (normal(rng, T, T).abs() + 0.1) * 2e-7 * (moved == 0)
            maps.append((moved + rounding) * size)
            want.append(ahead)
    maps += [torch.zeros(5, 5), (normal(rng, 5, 5).abs() + 0.2).triu(2)]
    want += [0, 4]
    message = "Maps of models that look 0, 1, 2 and 4 ahead, quiet ones and loud ones, with some rounding. What counts?"
    expect(observe(ahead_of, maps), {"ahead": want, "maps": maps}, message)


@part("ahead")
def test_one_entry_counts_or_does_not_by_the_largest_of_the_map(observe, expect, rng):
    dot, past = torch.zeros(5, 5), torch.ones(5, 5).tril(-1)
    dot[2, 2] = 1.0
    cases = (
        (dot, (0, 2), 2e-4, 2),
        (dot, (0, 2), 5e-5, 0),
        (dot, (0, 1), 1e-6, 0),
        (past, (1, 3), 2e-4, 2),
        (past, (1, 3), 0.0, 0),
        (past + 1e-3 * torch.eye(5), (0, 2), 5e-5, 0),
    )
    for start, place, size, ahead in cases:
        moved = start.clone()
        moved[place] = size
        message = f"The largest entry is 1, and the only one above the diagonal is {size}, at {place}. How far ahead?"
        expect(observe(ahead_of, [moved]), {"ahead": [ahead], "maps": [moved]}, message)


# ---- neighbours


@part("neighbours")
def test_each_row_is_compared_with_itself_alone(observe, expect, rng):
    B, T, V = sizes(rng)
    table, tokens = normal(rng, V, V).exp(), distinct(rng, B, T, V)  # skewed: the largest change goes down
    shares = torch.from_numpy(rng.uniform(0.2, 0.9, V)).float()
    tokens[:, 0] = torch.from_numpy(rng.permutation(V)[:B])
    shares[tokens[1, 0]] = 0.0
    x = table[tokens]
    want = (shares[tokens[:, 0]][:, None, None] * (x.mean(0) - x)).abs().amax(dim=(1, 2))
    message = "Each row is moved towards the batch's mean, by a share of its own; the second row not at all. And alone?"
    expect(observe(company, table, shares, tokens), want, message)


@part("neighbours")
def test_rows_that_mind_their_own_business_read_zero(observe, expect, rng):
    B, T, V = sizes(rng)
    table, tokens = normal(rng, V, V), distinct(rng, B, T, V)
    message = "No row depends on another here, and the model drops in training mode. What moves?"
    expect(observe(company, table, torch.zeros(V), tokens, drops=True), torch.zeros(B), message, atol=1e-5)


# ---- order


def order_wanted(table, weights, tokens):
    T = tokens.shape[1]
    x = table[tokens].double()
    turned = x[:, [T - 2, *range(T - 2), T - 1]]
    return torch.einsum("s,bsv->bv", weights[-1].double(), turned - x).abs().amax(1).float()


@part("order")
def test_a_bag_of_words_does_not_notice(observe, expect, rng):
    B, T, V = sizes(rng)
    table, tokens = normal(rng, V, V), distinct(rng, B, T, V)
    weights = torch.ones(T, T).tril() / torch.arange(1, T + 1)[:, None]
    weights[-1, -1] = 2.0
    message = "The last answer is the mean of what came before, and twice the last token. What does order change in it?"
    want = (torch.zeros(B), tokens)
    expect(observe(order_of, table, weights, tokens, drops=True), want, message, atol=1e-4)


@part("order")
def test_the_order_moves_what_depends_on_it(observe, expect, rng):
    for _ in range(2):
        B, T, V = sizes(rng)
        table, tokens, weights = normal(rng, V, V), distinct(rng, B, T, V), normal(rng, T, T).tril()
        message = (
            "Every place has a weight of its own. Which tokens move where, and at which position is the answer read?"
        )
        want = (order_wanted(table, weights, tokens), tokens)
        expect(observe(order_of, table, weights, tokens), want, message)


# ---- surprise


@part("surprise")
def test_knowing_nothing_is_no_surprise(observe, expect, rng):
    B, T, V = sizes(rng)
    tokens = distinct(rng, B, T, V)
    targets = torch.from_numpy(rng.integers(0, 3, (B, T)))
    level = normal(rng, V, 1).expand(V, V).contiguous()
    message = f"All {V} logits of a row are equal, and only three different targets occur. How far above ln V is that?"
    expect(observe(surprise_of, level, tokens, targets), {"surprise": 0.0, "targets": targets}, message, atol=1e-5)


@part("surprise")
def test_it_is_the_loss_above_that_of_knowing_nothing(observe, expect, rng):
    for holes, known in ((0, False), (5, False), (4, True)):
        B, T, V = sizes(rng)
        table, tokens = normal(rng, V, V, size=2.0), distinct(rng, B, T, V - 2)
        targets = table[tokens].argmax(-1).flatten() if known else torch.from_numpy(rng.integers(0, V - 2, B * T))
        targets[torch.from_numpy(rng.permutation(B * T)[:holes])] = -1
        logits = table[tokens].reshape(-1, V).double()
        losses = [math.log(row.exp().sum()) - row[i] for row, i in zip(logits, targets.tolist()) if i >= 0]
        want = float(sum(losses) / len(losses)) - math.log(V)
        who = "a model that knows" if known else "one that does not"
        message = f"{B * T - holes} of {B * T} positions have a target, V is {V}, for {who}. Which mean, less what?"
        wanted = {"surprise": want, "targets": targets.view(B, T)}
        expect(observe(surprise_of, table, tokens, wanted["targets"]), wanted, message)


# ---- gradients


def parameters(rng):
    """Shapes of six parameters in an order that is not the alphabet's, and the factors of four of them in a loss."""
    shapes = {"wide": (7, 31), "bias": (5,), "dead": (4, 3), "cold": (3, 2), "one": (1,), "across": (2, 9, 4)}
    factors = {name: normal(rng, *shapes[name]) + 0.3 for name in ("across", "wide", "bias", "one")}
    return shapes, factors | {"dead": torch.zeros(4, 3)}


@part("gradients")
def test_a_size_is_a_root_mean_square(observe, expect, rng):
    shapes, factors = parameters(rng)
    want = dict.fromkeys(shapes, 0.0) | {n: float(g.double().square().mean().sqrt()) for n, g in factors.items()}
    got = observe(sizes_of, shapes, factors, [], {})
    message = "The gradient of each parameter is known. One is all zeros, and the loss has never heard of another."
    wanted = {"sizes": want, "order": list(shapes), "grads afterwards": dict.fromkeys(shapes)}
    expect(got, wanted, message)


@part("gradients")
def test_it_is_the_gradient_of_this_loss_alone(observe, expect, rng):
    shapes, factors = parameters(rng)
    earlier = {name: normal(rng, *shapes[name], size=3.0) for name in ("wide", "cold", "dead", "one")}
    want = {n: float(factors[n].double().square().mean().sqrt()) if n in factors else 0.0 for n in shapes}
    del want["cold"]
    got = observe(sizes_of, shapes, factors, ["cold"], earlier)
    message = "Four hold gradients of an earlier loss, and one is frozen now. What is read, and what lies there then?"
    expect(got, {"sizes": want, "order": list(want), "grads afterwards": dict.fromkeys(shapes) | earlier}, message)


@part("gradients")
def test_nobody_asked_the_frozen_ones(observe, expect, rng):
    shapes, factors = parameters(rng)
    frozen = ["bias", "cold"]
    want = {n: float(factors[n].square().mean().sqrt()) if n in factors else 0.0 for n in shapes if n not in frozen}
    got = observe(sizes_of, shapes, factors, frozen, {})
    message = "Two parameters are frozen on purpose. Are they part of the list?"
    expect(got, {"sizes": want, "order": list(want), "grads afterwards": dict.fromkeys(shapes)}, message)


@part("gradients")
def test_the_lists_of_the_silent_and_the_loud(observe, expect, rng):
    scale = float(rng.uniform(0.5, 2.0)) * 1e-3
    usual = {f"layer{i}": scale * float(rng.uniform(0.7, 1.4)) for i in rng.permutation(9).tolist()}
    dead = {f"dead{i}": 0.0 for i in rng.permutation(5).tolist()}
    message = "Nine usual sizes, and who stands out. What is usual, and who is more than that many times as loud?"
    cases = (
        ({}, [], None),
        ({"giant": 1e5 * scale}, ["giant"], None),
        ({"giant": 300 * scale, "broken": math.nan, "endless": math.inf}, ["giant", "broken", "endless"], None),
        ({"tall": 20 * scale}, [], None),
        ({"tall": 20 * scale}, ["tall"], 5.0),
    )
    for more, loud, many in cases:
        got = observe(lists_of, {**usual, **more}, many)
        expect(got, {"silent": [], "loud": loud}, message)
    everything = {**dead, **dict(list(usual.items())[:3]), "giant": 1e4 * scale}
    message = "Five are dead, three are usual, one is a giant. Do the dead have a say in what is usual?"
    expect(observe(lists_of, everything), {"silent": list(dead), "loud": ["giant"]}, message)
    expect(observe(lists_of, dead), {"silent": list(dead), "loud": []}, "Everybody is dead. Who is loud?")


@part("gradients")
def test_what_is_usual_lies_in_the_middle(observe, expect, rng):
    unit, inf = 2.0 ** -int(rng.integers(40, 44)), math.inf
    cases = (  # sizes in units, and the places of the silent and the loud
        ([3, 150, 1, 1], [], []),
        ([3, 250, 1, 1], [], [1]),
        ([1, 100, 1, 1], [], []),
        ([64, 128, 1, 80], [], []),
        ([inf, 1, 150, 1, inf], [], [0, 2, 4]),
        ([0, inf, math.nan], [0], [1, 2]),
    )
    for units, silent, loud in cases:
        given = {f"p{place}": size * unit for place, size in enumerate(units)}
        message = f"The sizes are {units}, times {unit:.1e}. What is usual, and who is more than a hundred times that?"
        want = {"silent": [f"p{place}" for place in silent], "loud": [f"p{place}" for place in loud]}
        expect(observe(lists_of, given), want, message)


# ---- overfits


def descended(table, tokens, targets, rate, steps):
    """Losses of descent with momentum on a table of logits, by the closed form of its gradient: share minus one-hot."""
    table, speed, losses = table.double().numpy().copy(), 0.0, []
    pairs = [(a, b) for a, b in zip(tokens.flatten().tolist(), targets.flatten().tolist()) if b >= 0]
    for _ in range(steps + 1):
        shares = np.exp(table) / np.exp(table).sum(1, keepdims=True)
        losses.append(float(-np.mean([math.log(shares[a, b]) for a, b in pairs])))
        slope = np.zeros_like(table)
        for a, b in pairs:
            slope[a] += shares[a] / len(pairs)
            slope[a, b] -= 1 / len(pairs)
        speed = 0.5 * speed + slope
        table -= rate * speed
    return losses


@part("overfits")
@pytest.mark.parametrize("training", [True, False])
def test_a_copy_learns_and_the_model_does_not(observe, expect, rng, training):
    B, T, V = sizes(rng)
    table, earlier, tokens = normal(rng, V, V), normal(rng, V, V), distinct(rng, B, T, V)
    targets = torch.from_numpy(rng.integers(0, V, (B, T)))
    if training:
        targets[torch.from_numpy(rng.random((B, T)) < 0.3)] = -1
        targets[0, 0] = 2
    known = normal(rng, V, V, size=0.1) + 8 * torch.eye(V).roll(1, 1)
    cases = (
        (6, 2.5, table, targets),
        (0, 1.0, table, targets),
        (1, 4.0, table, targets),
        (3, 1.5, known, (tokens + 1) % V),
    )
    for steps, rate, table, targets in cases:
        want = {"losses": descended(table, tokens, targets, rate, steps), "table": table, "gradient": earlier}
        want |= {"training": training, "rounds": {"back": steps, "stepped": steps}}
        got = observe(by_heart, table, tokens, targets, rate, steps, earlier, training)
        message = f"{steps} steps with momentum. One loss before each and one at the end; and whose weights moved?"
        expect(got, want, message, rtol=1e-4)


# ---- lora


def patch(rng, bias):
    inside, out, r = 11, 7, 3
    weights = {"weight": normal(rng, out, inside)} | ({"bias": normal(rng, out)} if bias else {})
    given = {"A": normal(rng, r, inside), "B": normal(rng, out, r)}
    return weights, normal(rng, 2, 5, inside), r, float(rng.uniform(7.0, 9.0)), given


def with_patch(weights, x, r, alpha, given):
    """By the formula, in double precision: what comes out, and the gradient of its sum with respect to x."""
    whole = weights["weight"].double() + alpha / r * given["B"].double() @ given["A"].double()
    out = F.linear(x.double(), whole, weights["bias"].double() if "bias" in weights else None)
    return out.float(), whole.sum(0).expand_as(x).float()


@part("lora")
@pytest.mark.parametrize("bias", [True, False])
def test_a_patch_starts_as_nothing_and_adds_its_product(observe, expect, rng, bias):
    weights, x, r, alpha, given = patch(rng, bias)
    names = {"A": [3, 11], "B": [7, 3], "base.weight": [7, 11]} | ({"base.bias": [7]} if bias else {})
    later, heard = with_patch(weights, x, r, alpha, given)
    start = F.linear(x, weights["weight"], weights.get("bias"))
    want = {"at the start": start, "later": later, "x hears": heard, "names": names}
    message = f"r = {r}, alpha = {alpha:.2f}. What comes out at first, what with this A and B, and what goes down to x?"
    expect(observe(patched, weights, x, r, alpha, bias, given), want, message)


@part("lora")
def test_the_base_is_frozen_and_the_patch_can_wake(observe, expect, rng):
    inside, out, r = 160 + int(rng.integers(9)), 150, 40
    want = {
        "learn": {"A": True, "B": True, "base.weight": False, "base.bias": False},
        "B hears": 1.0,
        "A hears": 0.0,
        "the same base": True,
        "deviation of A": 1.0,
        "mean of A": 0.0,
        "share of A within a deviation": math.erf(0.5**0.5),
        "largest of B": 0.0,
    }
    got = observe(patch_at_birth, inside, out, r, 16)
    expect(got, want, "Who learns, who hears the first loss, and how do A and B start?", atol=0.06)


@part("lora")
@pytest.mark.parametrize("bias", [True, False])
def test_merging_makes_one_linear_of_it(observe, expect, rng, bias):
    weights, x, r, alpha, given = patch(rng, bias)
    whole, _ = with_patch(weights, x, r, alpha, given)
    want = {
        "kind": "Linear",
        "bias": bias,
        "first": whole,
        "second": whole,
        "patched afterwards": whole,
        "base afterwards": weights["weight"],
        "shared with the base": [False] * len(weights),
        "A and B": (given["A"], given["B"]),
    }
    message = (
        "Merged twice in a row, and asked once more with the patch. Which matrix is in the Linear, and whose is it?"
    )
    expect(observe(merged_twice, weights, x, r, alpha, bias, given), want, message)
