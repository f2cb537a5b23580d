"""Checks of LoRA: against W + (alpha/r) B A written out in float64, published counts and a slow loop over places.

No check has r = alpha, where a scale upside down cannot be seen, or a B of zeros, unless it is about the start.
"""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from autograder.judge import observation, part, raises

OUT, IN, R, ALPHA = 7, 11, 3, 8.0


def draw(rng, *shape, size=1.0):
    return torch.from_numpy(rng.normal(size=shape) * size).float()


def weights_of(rng, out=OUT, inside=IN, r=R):
    """A Linear with a detour, every number drawn."""
    return {
        "base.weight": draw(rng, out, inside),
        "base.bias": draw(rng, out),
        "A": draw(rng, r, inside),
        "B": draw(rng, out, r),
    }


def change(w, alpha=ALPHA):
    """The update as a sum of outer products, one for each row of A."""
    A, B = w["A"].double().numpy(), w["B"].double().numpy()
    return torch.from_numpy(sum(np.outer(B[:, k], A[k]) for k in range(len(A)))) * alpha / len(A)


def answer(w, x, alpha=ALPHA):
    """What the layer says, in float64."""
    weight = w["base.weight"].double() + change(w, alpha)
    return (x.double() @ weight.T + w["base.bias"].double()).float()


# ---- what is looked at


@observation
def sizes(learner, questions):
    return [learner.adapter_size(layers, r) for layers, r in questions]


@observation
def started(learner, inside, out, r):
    """Mean, deviation and shape of A and B after a second start, and what the layer then says beside its base."""
    torch.manual_seed(3)
    layer = learner.LoRALinear(nn.Linear(inside, out), r, 5.0)
    with torch.no_grad():
        for p in (layer.A, layer.B):
            p.fill_(math.nan)
    layer.reset()
    x = torch.randn(4, inside)
    layer(x).pow(2).sum().backward()
    A, B = layer.A.detach(), layer.B.detach()
    return {
        "A": [list(A.shape), A.mean().item(), A.std().item()],
        "B": [list(B.shape), B.mean().item(), B.std().item()],
        "apart": (layer(x) - layer.base(x)).abs().max().item(),
        "B hears something": layer.B.grad.abs().max().item() > 0,
        "learn": [layer.A.requires_grad, layer.B.requires_grad],
    }


@observation
def updates(learner, weights, r, alpha):
    return probe.load(learner.LoRALinear(nn.Linear(11, 7), r, alpha), weights).update()


@observation
def says(learner, weights, r, alpha, x):
    """The layer's answer, and the gradients of A, B and x."""
    layer = probe.load(learner.LoRALinear(nn.Linear(11, 7), r, alpha), weights).eval()
    x = x.clone().requires_grad_()
    y = layer(x)
    (y * torch.arange(y.numel()).view(y.shape).cos()).sum().backward()
    return {"y": y, "A": layer.A.grad, "B": layer.B.grad, "x": x.grad}


@observation
def quiet(learner, weights, r, alpha, x, switches):
    layer = probe.load(learner.LoRALinear(nn.Linear(11, 7), r, alpha), weights).eval()
    layer.active, layer.merged = switches
    with torch.no_grad():
        return layer(x)


@observation
def drops(learner, r, inside, rate):
    """Base zero, A a row of ones, B ones: the answer then is the scaled sum of what came through."""
    layer = learner.LoRALinear(nn.Linear(inside, 5), r, 2.0 * r, dropout=rate)
    with torch.no_grad():
        for p in layer.parameters():
            p.fill_(1.0 / inside if p.shape == (r, inside) else 0.0)
        layer.B.fill_(1.0 / r)
    x = torch.ones(400, inside)
    found = {}
    for name, y in (("training", layer.train()(x)), ("eval", layer.eval()(x))):
        found[name] = [y.mean().item(), y.std(dim=0).mean().item(), y.std(dim=1).mean().item()]
    with torch.no_grad():
        layer.B.zero_()
        layer.base.weight.fill_(1.0 / inside)
    layer.train()
    found["base"] = layer(x).std().item()
    return found


@observation
def injected(learner, names, r, alpha, dropout):
    """Which Linears of an odd model are replaced, what learns, and what a step changes."""

    class Half(nn.Module):
        def __init__(self, seed):
            super().__init__()
            torch.manual_seed(seed)
            self.q_proj, self.kq_proj = nn.Linear(6, 9), nn.Linear(9, 8, bias=False)
            self.norm, self.proj = nn.LayerNorm(8), nn.Embedding(4, 8)

        def forward(self, x):
            return self.norm(self.kq_proj(self.q_proj(x))) + self.proj.weight[1]

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.halves = nn.ModuleList(Half(seed) for seed in range(3))
            self.mlp = nn.ModuleDict({"proj": nn.Linear(8, 6), "q_proj_2": nn.Linear(3, 2)})
            self.q_proj = nn.Linear(8, 5)

        def forward(self, x):
            for half in self.halves:
                x = self.mlp["proj"](half(x))
            return self.q_proj(self.halves[0](x))

    torch.manual_seed(9)
    model, x = Whole(), torch.randn(5, 6)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    linears, first = dict(model.named_modules()), model(x).detach()
    adapters = learner.inject(model, names, r, alpha, dropout)
    model.eval()
    start = (model(x) - first).abs().max().item()
    with torch.no_grad():
        for adapter in adapters.values():
            adapter.B.copy_(torch.linspace(-1, 1, adapter.B.numel()).view(adapter.B.shape))
            adapter.A.copy_(torch.linspace(-2, 1, adapter.A.numel()).view(adapter.A.shape))
    y = model(x)
    if y.requires_grad:
        y.pow(2).sum().backward()
    with torch.no_grad():
        for p in model.parameters():
            if p.grad is not None:
                p -= p.grad
    after = {name.replace(".base.", "."): value for name, value in model.state_dict().items()}
    return {
        "adapters": list(adapters),
        "places": [name for name, module in model.named_modules() if isinstance(module, learner.LoRALinear)],
        "kind": [[a.r, float(a.alpha), a.dropout.p] for a in adapters.values()],
        "bases": [name for name, a in adapters.items() if a.base is linears.get(name)],
        "learn": [name for name, p in model.named_parameters() if p.requires_grad],
        "start": start,
        "output": y,
        "changed": [name for name in before if name not in after or not torch.equal(before[name], after[name])],
    }


@observation
def learning_numbers(learner, config, names, r):
    """Adapters in a small GPT of one's own making: how many numbers learn."""

    class Block(nn.Module):
        def __init__(self, C):
            super().__init__()
            self.attn = nn.ModuleDict({"c_attn": nn.Linear(C, 3 * C), "c_proj": nn.Linear(C, C)})
            self.mlp = nn.ModuleDict({"c_fc": nn.Linear(C, 4 * C), "c_proj": nn.Linear(4 * C, C)})

    model = nn.ModuleDict({"h": nn.ModuleList(Block(config[1]) for _ in range(config[0]))})
    learner.inject(model, names, r, 8.0)
    return probe.parameter_count(model)


@observation
def nothing_to_choose(learner, names):
    return list(learner.inject(nn.ModuleDict({"c_attn": nn.LayerNorm(4), "fc": nn.Linear(4, 5)}), names, 2, 4.0))


@observation
def melted(learner, weights, r, alpha, x, acts):
    """The base's weight and the layer's answer after each of a list of acts, and whether it is still the same Parameter."""
    base = nn.Linear(11, 7)
    layer = probe.load(learner.LoRALinear(base, r, alpha), weights).eval()
    weight, seen = base.weight.requires_grad_(False), []
    held = weight.detach()
    for act in acts:
        if act == "switch off":
            layer.active = False
        else:
            getattr(layer, act)()
        seen.append([base.weight.clone(), layer(x), layer.merged])
    same = [base.weight is weight, weight.requires_grad, layer.A.requires_grad]
    return {"seen": seen, "same": same, "held": held}


@observation
def packed(learner, weights, alpha):
    adapters = {
        name: probe.load(learner.LoRALinear(nn.Linear(w["A"].shape[1], len(w["B"])), len(w["A"]), alpha), w)
        for name, w in weights.items()
    }
    state = learner.pack(adapters)
    with torch.no_grad():
        for adapter in adapters.values():
            adapter.A.add_(1.0)
            adapter.B.mul_(2.0)
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    kept = {name: type(value).__name__ for name, value in state.items()}
    kept |= {name: [value.requires_grad, list(value.shape)] for name, value in tensors.items()}
    return {"kept": kept, "values": {name: value.detach() for name, value in tensors.items()}}


@observation
def unpacked(learner, weights, alpha, state, x, merged):
    """Adapters as they were, merged or not; what loading makes of them; and the state after some training."""
    adapters = {}
    for name, w in weights.items():
        adapter = learner.LoRALinear(nn.Linear(w["A"].shape[1], len(w["B"])), len(w["A"]), alpha)
        adapters[name] = probe.load(adapter, w).eval()
        if merged:
            adapter.merge()
    before = [[a.merged, a.A.detach().clone(), a.B.detach().clone()] for a in adapters.values()]
    learner.unpack(adapters, state)
    loaded = [
        [a(x), a.base.weight.detach(), a.merged, float(a.alpha), a.A.requires_grad, a.B.requires_grad]
        for a in adapters.values()
    ]
    plain = [isinstance(a.alpha, float) for a in adapters.values()]
    with torch.no_grad():
        for adapter in adapters.values():
            adapter.A.add_(1.0)
            adapter.B.mul_(2.0)
    return {"before": before, "loaded": loaded, "plain": plain, "state": state}


@observation
def refuses(learner, weights, state):
    """What a refused loading has changed."""
    adapters = {
        name: probe.load(learner.LoRALinear(nn.Linear(w["A"].shape[1], len(w["B"])), len(w["A"]), 2.0), w)
        for name, w in weights.items()
    }
    for adapter in adapters.values():
        adapter.merge()
    try:
        learner.unpack(adapters, state)
    except Exception as error:
        found = [[a.A.detach(), a.B.detach(), float(a.alpha), a.merged] for a in adapters.values()]
        return [type(error).__name__, found]
    return ["nothing was said", []]


@observation
def made_rows(learner, pairs, T, pad):
    idx, targets = learner.rows(pairs, T, pad)
    return {"idx": idx, "targets": targets, "kinds": [str(idx.dtype), str(targets.dtype)], "pairs": pairs}


@observation
def measured(learner, weights, alpha, batches, training, off):
    """Both losses of a model with two adapters, and its state afterwards; the adapters numbered in `off` are off before."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            layers = [probe.load(learner.LoRALinear(nn.Linear(11, 7), len(w["A"]), alpha), w) for w in weights]
            self.layers = nn.ModuleList(layers)
            self.dropout, self.recording = nn.Dropout(0.5), []

        def forward(self, x, targets):
            x = self.dropout(x)
            logits = self.layers[0](x) + self.layers[1](x)
            self.recording.append(logits.requires_grad)
            return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)

    model = Model().train(training)
    for number in off:
        model.layers[number].active = False
    torch.manual_seed(4)
    losses = learner.with_and_without(model, {f"layers.{n}": layer for n, layer in enumerate(model.layers)}, batches)
    return {
        "losses": {name: float(value) for name, value in losses.items()},
        "mode": [model.training, model.dropout.training],
        "on": [[layer.active, layer.merged] for layer in model.layers],
        "gradients recorded": any(model.recording),
    }


@observation
def taken_apart(learner, delta, r, alpha):
    A, B = learner.factors(delta.clone(), r, alpha)
    fit = B.shape[-1] == A.shape[0]
    return {"shapes": [list(A.shape), list(B.shape)], "product": alpha / r * B @ A if fit else "they do not fit"}


# ---- the size


@part("size")
def test_the_published_counts_come_out(observe, expect):
    questions = [([(12288, 12288)] * 192, 1), ([(128, 384)] * 4, 4)]
    message = "GPT-3, rank 1 beside W_q and W_v, has 4,718,592. What are the sides of A, and what are those of B?"
    expect(observe(sizes, questions), [4_718_592, 8_192], message)


@part("size")
def test_every_linear_counts_by_its_own_sides(observe, expect, rng):
    layers = [tuple(int(n) for n in rng.integers(3, 90, 2)) for _ in range(5)]
    want = []
    for r in (1, 6):
        want.append(sum(np.zeros((r, i)).size + np.zeros((o, r)).size for i, o in layers))
    expect(
        observe(sizes, [(layers, 1), (layers, 6)]),
        want,
        "Five Linears of different sides. Which two matrices has each?",
    )


# ---- the layer


@part("layer")
def test_it_starts_silent_and_ready_to_learn(observe, expect, rng):
    inside, out, r = (int(n) for n in rng.integers([300, 40, 9], [400, 60, 13]))
    got = observe(started, inside, out, r)
    message = (
        f"in = {inside}, out = {out}, r = {r}. Is the detour silent at first? Which of the two is drawn, and how large?"
    )
    expect(got["A"], [[r, inside], 0.0, inside**-0.5], message, atol=0.006)
    expect(got["B"], [[out, r], 0.0, 0.0], message)
    expect(got["apart"], 0.0, "At step 0 the layer should say exactly what its base says.")
    expect([got["B hears something"], *got["learn"]], [True] * 3, "Silent, but not deaf: does B get a gradient?")


@part("layer")
def test_the_update_is_a_scaled_product(observe, expect, rng):
    for r, alpha in ((R, ALPHA), (2, 5.0)):
        w = weights_of(rng, r=r)
        message = f"r = {r}, alpha = {alpha}. Compare a single entry: is it off by a factor, and by which?"
        expect(observe(updates, w, r, alpha), change(w, alpha).float(), message)


@part("layer")
@pytest.mark.parametrize("shape", [(4, IN), (2, 5, IN)])
def test_base_and_detour_add_up(observe, expect, rng, shape):
    w, x = weights_of(rng), draw(rng, *shape)
    y = answer(w, x)
    weights = {name: value.clone().double().requires_grad_(name in "AB") for name, value in w.items()}
    weights["x"] = x.clone().double().requires_grad_()
    weight = weights["base.weight"] + ALPHA / R * weights["B"] @ weights["A"]
    out = F.linear(weights["x"], weight, weights["base.bias"])
    (out * torch.arange(out.numel()).view(out.shape).cos()).sum().backward()
    got = observe(says, w, R, ALPHA, x)
    message = (
        "Both ways get x; one is multiplied by alpha and divided by r. How far off are you, and everywhere by the same?"
    )
    expect(got["y"], y, message)
    want = [weights[name].grad.float() for name in "AB"]
    expect(
        [got["A"], got["B"]], want, "The answer is right, its gradients are not: what stands between A, B and the loss?"
    )
    message = "The gradient of x, from which all layers below would learn. By how many ways did x go forward?"
    expect(got["x"], weights["x"].grad.float(), message)


@part("layer")
@pytest.mark.parametrize(
    ("switches", "who"), [((False, False), "switched off"), ((True, True), "merged"), ((False, True), "both")]
)
def test_the_base_alone_answers_where_the_detour_does_not_count(observe, expect, rng, switches, who):
    w, x = weights_of(rng), draw(rng, 2, 3, IN)
    layer = torch.nn.Linear(IN, OUT)
    with torch.no_grad():
        layer.weight.copy_(w["base.weight"])
        layer.bias.copy_(w["base.bias"])
        want = layer(x)
    expect(observe(quiet, w, R, ALPHA, x, switches), want, f"The detour is {who}. Who may still speak?")


@part("layer")
def test_dropout_stands_at_the_entrance_of_the_detour(observe, expect):
    got = observe(drops, 3, 20, 0.4)
    # the mean over 20 inputs, each 0 or 1/0.6, is the same in all outputs of a row; times a scale of 2
    spread = 2.0 * math.sqrt(0.4 / 0.6 / 20)
    message = (
        "All five outputs of a row look through the same bottleneck. What differs between rows, and what within one?"
    )
    expect(got["training"], [2.0, spread, 0.0], message, atol=0.09)
    expect(got["eval"], [2.0, 0.0, 0.0], "In eval mode nothing is dropped.", atol=1e-4)
    expect(got["base"], 0.0, "With B zero only the base speaks. Is anything dropped on its way?", atol=1e-4)


# ---- into a model


@part("inject")
@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["q_proj"], ["halves.0.q_proj", "halves.1.q_proj", "halves.2.q_proj", "q_proj"]),
        (["1.kq_proj", "proj", "mlp"], ["halves.1.kq_proj", "mlp.proj"]),
        (["mlp.proj", "2.kq_proj", "halves.2.q_proj"], ["halves.2.q_proj", "halves.2.kq_proj", "mlp.proj"]),
    ],
)
def test_the_chosen_are_replaced_and_only_adapters_learn(observe, expect, rng, names, chosen):
    r, alpha = int(rng.integers(2, 5)), float(rng.integers(6, 9))
    got = observe(injected, names, r, alpha, 0.25)
    message = f"Chosen by {names}: whole words, at the end of a dotted name, and Linears only. Which are too many, or missing?"
    expect(sorted(got["adapters"]), sorted(chosen), message)
    expect(got["adapters"], chosen, "All there, but not in the order of model.named_modules().")
    expect(got["places"], chosen, "Does the model itself hold the adapters, each in the place of its Linear?")
    expect(
        got["kind"], [[r, alpha, 0.25]] * len(chosen), "Rank, alpha and dropout of each adapter, as they were given."
    )
    expect(got["bases"], chosen, "Is the base of each adapter the very Linear that was there?")
    learns = [f"{name}.{matrix}" for name in chosen for matrix in "AB"]
    message = "After inject, which parameters require a gradient? Two for each adapter, and not one more."
    expect(sorted(got["learn"]), sorted(learns), message)
    expect(got["start"], 0.0, "Before any training the model should say exactly what it said before.")
    expect(got["changed"], [], "One step of training. What has changed that was there before, and came as a loan?")


@part("inject")
def test_the_model_answers_through_its_adapters(observe, expect, rng):
    names, r, alpha = ["q_proj"], 3, float(rng.integers(6, 9))
    got = observe(injected, names, r, alpha, 0.0)
    expect(
        got["output"],
        written_out(r, alpha),
        "The adapters are filled by hand. Does the model's answer go through them?",
    )


def written_out(r, alpha):
    """What the odd model of `injected` says with q_proj adapted: plain torch, its weights drawn from the same seeds."""

    def linear(inside, out, adapted, bias=True):
        layer = torch.nn.Linear(inside, out, bias=bias)
        if adapted:
            A = torch.linspace(-2, 1, r * inside).view(r, inside)
            B = torch.linspace(-1, 1, out * r).view(out, r)
            layer.adapted = layer.weight + alpha / r * B @ A
        return layer

    torch.manual_seed(9)
    halves = []
    for seed in range(3):
        torch.manual_seed(seed)
        q, kq = linear(6, 9, True), linear(9, 8, False, bias=False)
        halves.append((q, kq, torch.nn.LayerNorm(8), torch.nn.Embedding(4, 8)))
    proj, _, head = torch.nn.Linear(8, 6), torch.nn.Linear(3, 2), linear(8, 5, True)
    x = torch.randn(5, 6)

    def half(parts, x):
        q, kq, norm, table = parts
        return norm(kq(F.linear(x, q.adapted, q.bias))) + table.weight[1]

    with torch.no_grad():
        for parts in halves:
            x = proj(half(parts, x))
        return F.linear(half(halves[0], x), head.adapted, head.bias)


@part("inject")
def test_the_number_that_learns_is_the_closed_form(observe, expect):
    got = [observe(learning_numbers, (4, 128), ["c_attn"], 4), observe(learning_numbers, (3, 20), ["attn.c_proj"], 5)]
    expect(got, [8_192, 3 * 5 * 40], "Four blocks of 128 channels, rank 4 beside c_attn: 8,192 numbers learn.")


@part("inject")
@pytest.mark.parametrize("names", [["q_proj"], ["c_attn"], ["c"]])
def test_no_linear_to_choose_is_said(observe, expect, names):
    got = observe(nothing_to_choose, names, may_raise=True)
    expect(got, raises("ValueError"), f"{names} chooses nothing here. A run that trains nothing looks like any other.")


# ---- melted in


@part("merge")
@pytest.mark.parametrize(
    "acts",
    [
        ["merge"],
        ["merge", "merge", "merge"],
        ["unmerge"],
        ["merge", "unmerge", "unmerge"],
        ["merge", "unmerge", "merge"],
        ["switch off", "merge", "unmerge"],
    ],
    ids=" ".join,
)
def test_adding_is_done_once(observe, expect, rng, acts):
    w, x = weights_of(rng), draw(rng, 5, IN)
    base, changed = w["base.weight"], (w["base.weight"].double() + change(w)).float()
    want, merged = [], False
    for act in acts:
        merged = act == "merge"
        silent = "switch off" in acts and not merged
        want.append([changed if merged else base, answer(w, x, 0.0 if silent else ALPHA), merged])
    got = observe(melted, w, R, ALPHA, x, acts)
    message = f"{', '.join(acts)}: what is in the base's weight after each, and what does the layer say?"
    expect(got["seen"], want, message, rtol=1e-5, atol=1e-5)
    expect(got["same"], [True, False, True], "The base should still hold the very Parameter that it came with, frozen.")
    message = "Somebody holds the weight's memory, as a view does. What does he see in the end?"
    expect(got["held"], want[-1][0], message, rtol=1e-5, atol=1e-5)


# ---- the file


def two(rng):
    return {"h.0.c_attn": weights_of(rng), "h.1.mlp.c_fc": weights_of(rng, r=2)}


def file_of(weights, alpha):
    state = {}
    for name, w in weights.items():
        state |= {f"{name}.A": w["A"], f"{name}.B": w["B"], f"{name}.alpha": torch.tensor(alpha)}
    return state


@part("state")
def test_the_file_holds_the_adapters_as_they_were(observe, expect, rng):
    weights = two(rng)
    want = file_of(weights, 6.5)
    got = observe(packed, weights, 6.5)
    kept = {name: [False, list(value.shape)] for name, value in want.items()}
    expect(
        sorted(got["kept"].items()),
        sorted(kept.items()),
        "Names, tensors, shapes, and whether a gradient hangs on them.",
    )
    message = "After packing, training changed A and B; alpha is 6.5. Which A and B, and which alpha, are in the file?"
    expect(sorted(got["values"].items()), sorted(want.items()), message)


@part("state")
@pytest.mark.parametrize("merged", [False, True])
def test_a_loaded_adapter_is_the_packed_one(observe, expect, rng, merged):
    weights, others, x = two(rng), two(rng), draw(rng, 4, IN)
    state = file_of(others, 2.5)
    got = observe(unpacked, weights, 3.0, state, x, merged)
    message = "Before anything is loaded: does each adapter say whether it is merged, and has it its A and B still?"
    expect(got["before"], [[merged, w["A"], w["B"]] for w in weights.values()], message)
    want = []
    for name, w in weights.items():
        now = {**w, "A": others[name]["A"], "B": others[name]["B"]}
        want.append([answer(now, x, 2.5), w["base.weight"], False, 2.5, True, True])
    message = "Two matrices and a number for each adapter. "
    message += (
        "These were merged before: what is in the base now?" if merged else "With which alpha does it answer now?"
    )
    expect(got["loaded"], want, message, rtol=1e-5, atol=2e-5)
    expect(got["plain"], [True, True], "alpha should be a plain float again. What kind of thing is it in the state?")
    message = "Loaded, and trained on: A and B are others now. Which of the two is in the state?"
    expect(sorted(got["state"].items()), sorted(state.items()), message)


@part("state")
@pytest.mark.parametrize("how", ["one missing", "one too many", "alpha missing", "one by another name"])
def test_a_file_of_another_model_is_refused(observe, expect, rng, how):
    weights, state = two(rng), file_of(two(rng), 8.0)
    if how == "one too many":
        state["h.2.c_attn.A"] = state["h.0.c_attn.A"]
    elif how == "one by another name":
        state["h.1.mlp.c_proj.B"] = state.pop("h.1.mlp.c_fc.B")
    else:
        del state["h.1.mlp.c_fc.alpha" if "alpha" in how else "h.1.mlp.c_fc.B"]
    want = ["KeyError", [[w["A"], w["B"], 2.0, True] for w in weights.values()]]
    got = observe(refuses, weights, state)
    expect(
        got,
        want,
        f"In this file there is {how}. Half a loaded model is worse than none: what was said, and are A, B, alpha and "
        "merged as they were?",
    )


# ---- rows


def slow_rows(pairs, T, pad):
    idx, targets = [[pad] * T for _ in pairs], [[-1] * T for _ in pairs]
    for n, (prompt, answer) in enumerate(pairs):
        both = [*prompt, *answer]
        for t in range(len(both) - 1):
            idx[n][t] = both[t]
            if t + 1 >= len(prompt):
                targets[n][t] = both[t + 1]
    return torch.tensor(idx), torch.tensor(targets)


@part("rows")
def test_only_answers_are_targets(observe, expect, rng):
    for pad in (0, 91):
        sizes = ((4, 3), (1, 6), (5, 1), (2, 9), (6, 5))  # the last two fill their row
        pairs = [tuple(rng.integers(1, 90, size).tolist() for size in both) for both in sizes]
        pairs[0][1][-1] = pairs[3][1][4] = pad  # in the lesson a newline pads, and ends every answer
        idx, targets = slow_rows(pairs, 10, pad)
        got = observe(made_rows, pairs, 10, pad)
        expect(got["idx"], idx, f"Padding is {pad}. What does the model see in each row, and where does it end?")
        message = (
            "Which places have a target? The first is where the prompt's last token stands, the last brings the end."
        )
        expect(got["targets"], targets, message)
        expect(got["kinds"], ["torch.int64"] * 2, "Tokens are whole numbers of torch's usual kind.")
        expect(got["pairs"], pairs, "The pairs themselves belong to the caller. Are they what they were?")


@part("rows")
def test_a_pair_that_does_not_fit_is_said(observe, expect, rng):
    pairs = [([3, 4], [5, 6]), (rng.integers(1, 9, 5).tolist(), rng.integers(1, 9, 5).tolist())]
    got = observe(made_rows, pairs, 8, 0, may_raise=True)
    expect(
        got,
        raises("ValueError"),
        "Nine places are needed, eight there. An answer that is cut off teaches to stop there.",
    )
    idx, targets = slow_rows(pairs, 9, 0)
    got = observe(made_rows, pairs, 9, 0)
    expect([got["idx"], got["targets"]], [idx, targets], "Nine places are needed, and there are nine.")


# ---- forgetting


@part("measure")
@pytest.mark.parametrize(("training", "off"), [(True, []), (False, [1])])
def test_both_losses_from_one_model(observe, expect, rng, training, off):
    weights = list(two(rng).values())
    batches = []
    for rows, T, none in ((2, 3, 1), (5, 8, 14), (4, 6, 0)):
        targets = torch.from_numpy(rng.integers(0, OUT, rows * T))
        targets[torch.from_numpy(rng.permutation(rows * T)[:none])] = -1
        batches.append((draw(rng, rows, T, IN), targets.view(rows, T)))
    want = {}
    for name, alpha in (("without", 0.0), ("with", ALPHA)):
        losses = []
        for x, targets in batches:
            logs = sum(answer(w, x, alpha).double() for w in weights).log_softmax(-1)
            losses += [-logs[b, t, targets[b, t]] for b, t in np.argwhere(targets.numpy() != -1)]
        want[name] = float(sum(losses) / len(losses))
    got = observe(measured, weights, ALPHA, batches, training, off)
    message = "Three batches with 5, 26 and 24 targets, a model with dropout and two adapters, "
    message += "one of them off before. " if off else "both on before. "
    message += "What is averaged over, in which mode, and which adapters speak in each of the two?"
    expect(sorted(got["losses"].items()), sorted(want.items()), message, rtol=1e-4)
    expect(got["mode"], [training] * 2, "In which mode was the model before, and in which is it now?")
    message = "Are the adapters on again, all of them, and none of them merged? And was a graph recorded?"
    expect([got["on"], got["gradients recorded"]], [[[True, False]] * 2, False], message)


# ---- rank


@part("factors")
@pytest.mark.parametrize(("out", "inside"), [(9, 14), (13, 6)])
def test_the_best_of_its_rank(observe, expect, rng, out, inside):
    U, _ = np.linalg.qr(rng.normal(size=(out, out)))
    V, _ = np.linalg.qr(rng.normal(size=(inside, inside)))
    sigma = np.array([9.0, 6.5, 4.0, 2.5, 1.0, 0.5]) * rng.uniform(0.9, 1.1, 6)
    terms = [s * np.outer(U[:, i], V[:, i]) for i, s in enumerate(sigma)]  # the matrix, one rank after the other
    delta = torch.from_numpy(sum(terms)).float()
    for r, alpha in ((1, 4.0), (3, 2.0), (5, 7.0)):
        got = observe(taken_apart, delta, r, alpha)
        expect(got["shapes"], [[r, inside], [out, r]], "A leads in, B leads out; A is returned first.")
        message = f"Rank {r}, alpha {alpha}. Which singular values are kept, how often do they count, what will the layer multiply by?"
        expect(got["product"], torch.from_numpy(sum(terms[:r])).float(), message, rtol=1e-4, atol=1e-4)
