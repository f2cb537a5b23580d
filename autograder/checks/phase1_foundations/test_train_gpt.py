"""Checks of the training loop: against slow loops, torch's own losses, closed forms, and runs that never stopped.

Models and optimizers of the observations are small ones of their own: a table of bigrams, gradient descent with momentum.
"""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from autograder.judge import observation, part, raises

V = 7  # tokens of the bigram models


def text(rng, length, below=60_000):
    """Tokens, no two neighbours of which are alike, some too large for a sign."""
    tokens = rng.permutation(below)[:length]
    tokens[rng.integers(length // 2)] = 65_000
    return tokens.astype(np.uint16)


def pairs(rng, *shapes, missing=0.0):
    """Micro-batches of the given shapes; a share of the targets is -1, but not all."""
    found = []
    for shape in shapes:
        x, y = (torch.from_numpy(rng.integers(0, V, shape)) for _ in range(2))
        none = torch.from_numpy(rng.random(shape) < missing)
        none[0, 0] = False
        found.append((x, y.masked_fill(none, -1)))
    return found


def table(rng):
    return torch.from_numpy(rng.normal(size=(V, V))).float()


def mean_loss(weight, micro_batches):
    """The loss of a bigram table over all targets at once, and its gradient."""
    weight = weight.clone().requires_grad_()
    x = torch.cat([x.flatten() for x, _ in micro_batches])
    y = torch.cat([y.flatten() for _, y in micro_batches])
    loss = F.cross_entropy(weight[x[y != -1]], y[y != -1])
    return loss.detach(), torch.autograd.grad(loss, weight)[0]


# ---- what is looked at


@observation
def opened(learner, tokens):
    import tempfile

    with tempfile.NamedTemporaryFile(dir=".") as file:
        tokens.tofile(file.name)
        data = learner.open_tokens(file.name)
    return {
        "tokens": np.array(data),
        "dtype": str(data.dtype),
        "mapped": isinstance(data, np.memmap),
        "mode": getattr(data, "mode", None),
    }


@observation
def starts_counted(learner, sizes):
    return [learner.count_starts(length, T) for length, T in sizes]


@observation
def cut_out(learner, tokens, starts, T):
    import tempfile

    with tempfile.NamedTemporaryFile(dir=".") as file:
        tokens.tofile(file.name)
        data = np.memmap(file.name, dtype=np.uint16, mode="r")
        x, y = learner.windows(data, starts, T)
    return {"x": x, "y": y, "dtypes": [str(x.dtype), str(y.dtype)]}


@observation
def held_in_memory(learner, length, starts, T):
    """Whether windows of a file of so many tokens take more than a quarter of its bytes, by NumPy's own account."""
    import tempfile
    import tracemalloc

    with tempfile.NamedTemporaryFile(dir=".") as file:
        file.truncate(2 * length)
        data = np.memmap(file.name, dtype=np.uint16, mode="r")
        learner.windows(data[:1000], starts, T)  # whatever is done the first time only
        tracemalloc.start()
        learner.windows(data, starts, T)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return {"too much": most > length // 2}


@observation
def sorted_into_groups(learner, decay):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(64, 3)
            self.conv = nn.Conv1d(3, 5, 2)
            self.norm = nn.LayerNorm(5)
            self.inner = nn.Linear(5, 3)
            self.frozen = nn.Linear(3, 2)
            self.frozen.requires_grad_(False)
            self.relative_bias = nn.Parameter(torch.zeros(4, 2))
            self.gain = nn.Parameter(torch.zeros(()))
            self.head = nn.Linear(3, 64, bias=False)
            self.head.weight = self.table.weight

    model = Odd()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [(group["params"], group["weight_decay"]) for group in learner.decay_groups(model, decay)]
    kinds = [type(listed).__name__ for listed, _ in found]
    if not {"list", "tuple"}.issuperset(kinds):
        return kinds
    return [[sorted(names[id(p)] for p in listed), number] for listed, number in found]


@observation
def rates(learner, peak, floor, warmup, total, steps):
    return [float(learner.learning_rate(step, peak, floor, warmup, total)) for step in steps]


@observation
def gathered(learner, weight, micro_batches, before=None):
    """Loss, gradient on top of what was there before, kind of the loss, and the order of forward and backward passes."""

    class Bigrams(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(weight.clone())

        def forward(self, x, y):
            events.append("forward")
            logits = self.weight[x]
            return logits, F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=-1)

    events = []
    model = Bigrams()
    model.weight.grad = before
    model.weight.register_hook(lambda gradient: events.append("backward"))
    loss = learner.accumulate(model, micro_batches)
    kind = [isinstance(loss, torch.Tensor), getattr(loss, "requires_grad", False)]
    return {"loss": loss, "gradient": model.weight.grad, "kind": kind, "events": events}


@observation
def stepped(learner, weights, steps, rates, clip, shrink=None, before=0.0):
    """Losses, norms and weights after each step of gradient descent on two tables, with .grad as it was before."""

    class Bigrams(nn.Module):
        def __init__(self):
            super().__init__()
            self.idle = nn.Parameter(torch.ones(2))
            self.one, self.two = (nn.Parameter(weight.clone()) for weight in weights)

        def forward(self, x, y):
            logits = self.one[x] + self.two[x]
            return logits, F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=-1)

    class Descent:
        def __init__(self, groups):
            self.param_groups = groups

        def zero_grad(self, set_to_none=True):
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None if set_to_none or parameter.grad is None else parameter.grad * 0

        def step(self):
            with torch.no_grad():
                for group in self.param_groups:
                    for parameter in group["params"]:
                        if parameter.grad is not None:
                            parameter -= group["lr"] * parameter.grad

    def synchronise(module):
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter.grad *= shrink

    model = Bigrams()
    for table in (model.one, model.two):
        table.grad = torch.full_like(table, before)
    groups = [{"params": [model.one, model.idle], "lr": 7.0}, {"params": [model.two], "lr": 9.0}]
    optimizer, seen, tensors, longer = Descent(groups), [], [], []
    for micro_batches, rate in zip(steps, rates):
        call = synchronise if shrink is not None else None
        loss, norm = learner.train_step(model, optimizer, micro_batches, rate, clip, synchronise=call)
        seen.append([float(loss), float(norm), model.one.detach().clone(), model.two.detach().clone()])
        tensors += [isinstance(result, torch.Tensor) and result.ndim == 0 for result in (loss, norm)]
        left = [parameter.grad.norm() for parameter in model.parameters() if parameter.grad is not None]
        longer.append(math.hypot(*left) > 1.001 * clip)
    return {"steps": seen, "tensors": all(tensors), "longer": any(longer)}


@observation
def evaluated(learner, weight, batches, training):
    """Twice the loss, whether graphs were recorded, and how everything stands after each."""

    class Bigrams(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.drop = nn.Parameter(weight.clone()), nn.Dropout(0.5)

        def forward(self, x, y):
            logits = self.drop(self.weight[x])
            recorded.append(logits.requires_grad)
            return logits, F.cross_entropy(logits.flatten(0, 1), y.flatten())

    recorded, losses, after = [], [], []
    model = Bigrams().train(training)
    for _ in range(2):
        loss = learner.estimate_loss(model, batches)
        losses.append(str(loss) if isinstance(loss, torch.Tensor) else loss)
        recording = torch.is_grad_enabled() and model.weight.requires_grad
        after.append([model.training, model.drop.training, recording])
        torch.set_grad_enabled(True)
    return {"losses": losses, "graphs": sum(recorded), "passes": len(recorded), "after": after}


@observation
def rungs_found(learner, targets, size):
    return [str(rung) if isinstance(rung, torch.Tensor) else rung for rung in learner.rungs(targets, size)]


@observation
def seen_blind(learner, batch):
    x, y = batch[0].clone(), batch[1].clone()
    blind = learner.blinded((x, y))
    return {"x": blind[0], "y": blind[1], "given": [x, y]}


@observation
def learnt_by_heart(learner, weight, batch, rate, steps, clip):
    class Bigrams(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(weight.clone())

        def forward(self, x, y):
            logits = self.weight[x]
            return logits, F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=-1)

    class Descent:
        def __init__(self, parameters):
            self.param_groups = [{"params": parameters, "lr": 7.0}]

        def zero_grad(self, set_to_none=True):
            model.weight.grad = None

        def step(self):
            with torch.no_grad():
                model.weight -= self.param_groups[0]["lr"] * model.weight.grad

    model = Bigrams()
    losses = learner.overfit(model, Descent([model.weight]), batch, rate, steps, clip=clip)
    left = model.weight.grad
    return {
        "losses": [str(loss) if isinstance(loss, torch.Tensor) else loss for loss in losses],
        "weight": model.weight.detach(),
        "longer": left is not None and float(left.norm()) > 1.001 * clip,
    }


@observation
def interrupted(learner, done, more, way):
    """A run with dropout and momentum that stops after some steps: how it goes on, in place and in a new process.

    way  "both": snapshot and restore are the learner's; "save" and "load": only one of them is, the other is written out;
         "pack": what is in the snapshot, and no more
    """
    import io

    class Momentum:
        def __init__(self, parameters):
            self.parameters = list(parameters)
            self.speed = [torch.zeros_like(p) for p in self.parameters]

        def step(self, loss):
            gradients = torch.autograd.grad(loss, self.parameters)
            with torch.no_grad():
                for parameter, speed, gradient in zip(self.parameters, self.speed, gradients):
                    speed.mul_(0.9).add_(gradient)
                    parameter -= 0.1 * speed

        def state_dict(self):
            return {"speed": [speed.clone() for speed in self.speed]}

        def load_state_dict(self, state):
            self.speed = [speed.clone() for speed in state["speed"]]

    def begin(seed):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(5, 9), nn.BatchNorm1d(9), nn.Dropout(0.5), nn.Linear(9, 4))
        draws = {"windows": torch.Generator().manual_seed(seed), "noise": torch.Generator().manual_seed(seed + 1)}
        return model, Momentum(model.parameters()), draws

    def run(model, optimizer, draws, steps):
        losses = []
        for _ in range(steps):
            x = torch.randn(8, 5, generator=draws["windows"])
            y = torch.randint(4, (8,), generator=draws["noise"])
            loss = F.cross_entropy(model(x), y)
            optimizer.step(loss)
            losses.append(loss.item())
        return losses

    model, optimizer, draws = begin(3)
    run(model, optimizer, draws, done)
    if way == "load":
        states = {name: generator.get_state() for name, generator in draws.items()}
        saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": done}
        saved |= {"generators": states, "default": torch.get_rng_state()}
    else:
        saved = learner.snapshot(model, optimizer, done, draws)
    if way == "pack":
        states = [*saved.get("generators", {}).values(), saved.get("default")]
        keys = [key for key in ("default", "generators", "model", "optimizer", "step") if key in saved]
        return {"keys": keys, "seeds": any(isinstance(state, int) for state in states)}
    file = io.BytesIO()
    torch.save(saved, file)
    straight = run(model, optimizer, draws, more)
    saved = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    model, optimizer, draws = begin(3)
    run(model, optimizer, draws, done + 2)
    if way == "save":
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        for name, generator in draws.items():
            generator.set_state(saved["generators"][name])
        torch.set_rng_state(saved["default"])
        step, same = saved["step"], True
    else:
        given = dict(draws)
        step = learner.restore(saved, model, optimizer, given)
        same = all(given.get(name) is generator for name, generator in draws.items())
    resumed = run(model, optimizer, draws, more)
    return {"step": step, "same": same, "straight": straight, "resumed": resumed}


@observation
def written(learner, old, new, failing=None):
    """What happens while `new` takes the place of `old`: each fsync and rename, what lies there then, and afterwards.

    failing  which of them raises, as on a full disk
    """
    import contextlib
    import inspect
    import os
    import stat
    import tempfile
    from unittest.mock import patch

    def look():
        names, content = set(os.listdir("runs")), None
        if "last.ckpt" in names:
            with open("runs/last.ckpt", "rb") as file:
                content = file.read()
        return {"content": content, "others": len(names - {"last.ckpt"})}

    def sync(fd):
        state = os.fstat(fd if isinstance(fd, int) else fd.fileno())
        if stat.S_ISDIR(state.st_mode):
            return  # the folder too: more careful than was asked
        events.append(["fsync", state.st_size, look()])
        if failing == "fsync":
            raise OSError(28, "No space left on device")

    def rename(src, dst, **how):
        near = os.path.dirname(os.path.realpath(src)) == os.path.realpath("runs")
        events.append(["rename", os.path.getsize(src), near, look()])
        if failing == "rename":
            raise OSError(5, "Input/output error")
        move(src, dst)

    events, move, raised = [], os.replace, None
    watched = {"fsync": sync, "fdatasync": sync, "replace": rename, "rename": rename}
    real = {id(getattr(os, name)): watch for name, watch in watched.items()}
    own = getattr(inspect.unwrap(learner.write_whole), "__globals__", {})
    taken = {name: real[id(value)] for name, value in own.items() if id(value) in real}  # by `from os import fsync`
    with tempfile.TemporaryDirectory(dir=".") as empty, contextlib.chdir(empty):
        os.mkdir("runs")
        with open("runs/last.ckpt", "wb") as file:
            file.write(old)
        with patch.multiple(os, **watched), patch.dict(own, taken):
            try:
                learner.write_whole("runs/last.ckpt", new)
            except OSError as error:
                raised = error.errno
        return {"events": events, "raised": raised, "after": look(), "here": sorted(os.listdir("."))}


@observation
def counted(learner, configs):
    return [learner.flops_per_token(learner.gpt.GPTConfig(**config)) for config in configs]


@observation
def days(learner, config, tokens, peak, utilisation):
    return learner.training_days(learner.gpt.GPTConfig(**config), tokens, peak, utilisation)


# ---- batches


@part("batches")
def test_a_file_is_mapped_not_read(observe, expect, rng):
    tokens = text(rng, 41)
    want = {"tokens": tokens, "dtype": "uint16", "mapped": True, "mode": "r"}
    message = "Two bytes a token, without a sign, looked at and not copied. Which of these is another in yours?"
    expect(observe(opened, tokens), want, message)


@part("batches")
def test_every_window_with_its_answers_counts(observe, expect, rng):
    sizes = [(10, 4), (5, 4), *((int(T + more), int(T)) for T, more in rng.integers(3, 90, (3, 2)))]
    want = [sum(1 for i in range(length) if i + T + 1 <= length) for length, T in sizes]
    message = "Ten tokens and T = 4: the window may begin at 0. Where does the last one begin, if its answers fit too?"
    expect(observe(starts_counted, sizes), want, message)
    for sizes in ([(4, 4)], [(3, 8)]):
        got = observe(starts_counted, sizes, may_raise=True)
        expect(got, raises("ValueError"), f"A text of {sizes[0][0]} tokens, T = {sizes[0][1]}: nothing fits.")


@part("batches")
def test_the_answer_is_the_next_token(observe, expect, rng):
    tokens = text(rng, 53)
    for B, T in ((4, 9), (1, 5), (3, 1)):
        starts = torch.from_numpy(rng.integers(0, 53 - T, B))
        starts[-1] = 53 - T - 1
        x = torch.tensor([[int(tokens[i + t]) for t in range(T)] for i in starts.tolist()])
        y = torch.tensor([[int(tokens[i + t + 1]) for t in range(T)] for i in starts.tolist()])
        want = {"x": x, "y": y, "dtypes": ["torch.int64", "torch.int64"]}
        message = "What is asked at position t, and which token of the text is the answer?"
        expect(observe(cut_out, tokens, starts, T), want, message)


@part("batches")
def test_only_the_windows_are_read(observe, expect, rng):
    starts = torch.from_numpy(rng.integers(0, 900, 5))
    got = observe(held_in_memory, 2**21, starts, 13)
    message = "Five windows of 13 from a file of two million tokens: how many of them does your function copy?"
    expect(got, {"too much": False}, message)


# ---- groups

DECAYED = ["conv.weight", "inner.weight", "relative_bias", "table.weight"]
KEPT = ["conv.bias", "gain", "inner.bias", "norm.bias", "norm.weight"]


@part("groups")
def test_two_axes_or_more_decay(observe, expect, rng):
    decay = float(rng.uniform(0.01, 0.3))
    message = "A rule without names: how many axes does each of them have? And how often is each one listed?"
    expect(observe(sorted_into_groups, decay), [[DECAYED, decay], [KEPT, 0.0]], message)


@part("groups")
def test_no_decay_is_possible(observe, expect):
    message = "With a decay of 0 there are still two groups: one could switch it on later."
    expect(observe(sorted_into_groups, 0.0), [[DECAYED, 0.0], [KEPT, 0.0]], message)


# ---- schedule


def rate(s, peak, floor, W, S):
    """The three cases of the formula, one after the other."""
    if s > S:
        return floor
    if s >= W:
        return floor + (1 + math.cos(math.pi * (s - W) / (S - W))) / 2 * (peak - floor)
    return peak * (s + 1) / (W + 1)


@part("schedule")
def test_the_rate_follows_the_formula(observe, expect, rng):
    for W, S in ((5, 23), (1, 12), (0, 9), (13, 14)):
        peak, floor = float(rng.uniform(2e-3, 5e-3)), float(rng.uniform(1e-4, 1e-3))
        got = observe(rates, peak, floor, W, S, list(range(S + 1)))
        message = f"W = {W}, S = {S}. Which is the first step that differs, and which of the cases is it?"
        expect(got, [rate(s, peak, floor, W, S) for s in range(S + 1)], message)


@part("schedule")
def test_after_the_end_the_rate_stays_down(observe, expect, rng):
    floor = float(rng.uniform(1e-4, 1e-3))
    got = observe(rates, 4e-3, floor, 5, 23, [23, 24, 30, 41, 59, 1000])
    expect(got, [floor] * 6, "A cosine rises again after its lowest point. What holds your fraction?")


# ---- accumulation


@part("accumulate")
def test_pieces_give_the_gradient_of_the_whole(observe, expect, rng):
    weight = table(rng)
    for shapes in ([(3, 5)] * 4, [(2, 6)], [(4, 5), (1, 3), (2, 8)]):
        micro_batches = pairs(rng, *shapes)
        loss, gradient = mean_loss(weight, micro_batches)
        got = observe(gathered, weight, micro_batches)
        message = f"Targets in the pieces: {[B * T for B, T in shapes]}. What is each one's share of the mean over all?"
        expect(got["gradient"], gradient, message)
        message = "The loss of all together: a tensor that nobody has waited for, and no graph hangs on it."
        expect([got["loss"], *got["kind"]], [loss, True, False], message)
    (one,), before = pairs(rng, (3, 4)), table(rng)
    got = observe(gathered, weight, [one], before)
    message = "Something lay in .grad before. What should be there now?"
    expect(got["gradient"], before + mean_loss(weight, [one])[1], message)


@part("accumulate")
def test_missing_targets_count_nowhere(observe, expect, rng):
    weight, micro_batches = table(rng), pairs(rng, (3, 7), (5, 4), missing=0.1)
    micro_batches += pairs(rng, (2, 9), missing=0.9)
    loss, gradient = mean_loss(weight, micro_batches)
    got = observe(gathered, weight, micro_batches)
    targets = [int((y != -1).sum()) for _, y in micro_batches]
    expect(got["gradient"], gradient, f"Places: 21, 20 and 18. Targets: {targets}. Over which is the model's mean?")
    expect(got["loss"], loss, "The same weights belong to the loss.")


@part("accumulate")
def test_one_graph_at_a_time(observe, expect, rng):
    got = observe(gathered, table(rng), pairs(rng, (2, 3), (2, 3), (1, 4)))
    message = "If backward waits, the activations of all pieces are in memory at once. Why cut into pieces at all?"
    expect(got["events"], ["forward", "backward"] * 3, message)


# ---- one step


def slow_step(one, two, micro_batches, rate, clip, shrink=1.0):
    """Both tables after a step of gradient descent: their logits are added, so their gradients are alike."""
    loss, gradient = mean_loss(one + two, micro_batches)
    gradient = gradient * shrink
    norm = math.sqrt(2.0 * float((gradient**2).sum()))
    factor = rate * min(1.0, clip / norm)
    return [float(loss), norm, one - factor * gradient, two - factor * gradient]


def expect_steps(observe, expect, rng, clip, message, shrink=None, before=0.0):
    weights, rates = [table(rng), table(rng)], [0.7, 0.4, 0.2]
    steps = [pairs(rng, (3, 5), (1, 4)), pairs(rng, (2, 6)), pairs(rng, (4, 2), (2, 2), (1, 9))]
    want = [[0.0, 0.0, *weights]]
    for micro_batches, rate in zip(steps, rates):
        want.append(slow_step(*want[-1][2:], micro_batches, rate, clip, 1.0 if shrink is None else shrink))
    got = observe(stepped, weights, steps, rates, clip, shrink, before)
    expect(got["steps"], want[1:], message)
    message = "Loss and norm come back as tensors, and no gradient that is left is longer than the clip."
    expect([got["tensors"], got["longer"]], [True, False], message)


@part("step")
def test_short_gradients_stay_as_they_are(observe, expect, rng):
    message = "Three steps, a clip that is never reached. After which step is something else, and what is left from before it?"
    expect_steps(observe, expect, rng, 1e3, message, before=10.0)


@part("step")
def test_long_gradients_are_shortened_together(observe, expect, rng):
    message = "All gradients are one vector; it is shortened to the clip, and its norm before that is returned."
    expect_steps(observe, expect, rng, 0.05, message)


@part("step")
def test_processes_agree_before_the_clipping(observe, expect, rng):
    message = "synchronise changes the gradients. It comes when they are complete, and clipping comes after it."
    expect_steps(observe, expect, rng, 0.05, message, shrink=0.5)


# ---- evaluation


@part("evaluate")
@pytest.mark.parametrize("training", [True, False])
def test_the_held_out_loss_is_measured_in_eval_mode(observe, expect, rng, training):
    weight, batches = table(rng), pairs(rng, (3, 5), (3, 5), (3, 5))
    losses = [float(F.cross_entropy(weight[x].flatten(0, 1), y.flatten())) for x, y in batches]
    got = observe(evaluated, weight, batches, training)
    expect(got["losses"], [sum(losses) / 3] * 2, "Twice the same batches, dropout 0.5 in the model, and a plain mean.")
    expect([got["graphs"], got["passes"]], [0, 6], "Three batches, twice, and no graph for any of them.")
    message = "As it was before: the mode of the model and of its dropout, and that torch records graphs."
    expect(got["after"], [[training, training, True]] * 2, message)


# ---- the recipe


@part("recipe")
def test_the_rungs_are_those_of_the_targets(observe, expect, rng):
    targets = torch.from_numpy(rng.permutation(np.repeat([0, 2, 3, 5, -1], [5, 9, 2, 1, 7]))).view(4, 6)
    want = math.log(11), -sum(n / 17 * math.log(n / 17) for n in (5, 9, 2, 1))
    message = "ln of 11; and 17 targets: 5, 9, 2 and 1 of a kind. Seven more are none, and seven tokens never occur."
    expect(observe(rungs_found, targets, 11), want, message)
    even = torch.from_numpy(rng.permutation(np.repeat(np.arange(6), 4)))
    message = "Six tokens, all equally often: then the two rungs are one."
    expect(observe(rungs_found, even, 6), (math.log(6), math.log(6)), message)


@part("recipe")
def test_a_blinded_batch_asks_the_same_and_shows_nothing(observe, expect, rng):
    ((x, y),) = pairs(rng, (5, 3), missing=0.2)
    want = {"x": torch.zeros(5, 3, dtype=torch.int64), "y": y, "given": [x, y]}
    message = "What the model sees is taken away, and it is still tokens; what it is asked stays, in a new pair."
    expect(observe(seen_blind, (x, y)), want, message, dtype=True)


@part("recipe")
def test_the_same_batch_every_step(observe, expect, rng):
    weight, (batch,) = table(rng), pairs(rng, (3, 5), missing=0.2)
    sure = weight + 20 * torch.eye(V)  # and wrong, always: a gradient longer than 1
    always = torch.full((2, 3), 4), torch.full((2, 3), 5)
    for start, same, clip, rate, steps in ((weight, batch, 0.02, 0.9, 5), (sure, always, 1e3, 0.5, 3)):
        one, losses = start, []
        for _ in range(steps):
            loss, gradient = mean_loss(one, [same])
            losses.append(float(loss))
            one = one - rate * min(1.0, clip / float(gradient.norm())) * gradient
        got = observe(learnt_by_heart, start, same, rate, steps, clip)
        message = f"{steps} steps on one batch, clip {clip}. Which loss comes first? How many are there, all floats?"
        expect(got, {"losses": losses, "weight": one, "longer": False}, message)


# ---- resuming

KEYS = ["default", "generators", "model", "optimizer", "step"]


@part("resume")
@pytest.mark.parametrize("way", ["both", "save", "load"])
def test_a_resumed_run_goes_on_as_if_never_stopped(observe, expect, way):
    packed, right = observe(interrupted, 5, 4, "pack"), {"keys": KEYS, "seeds": False}
    expect(packed, right, "A snapshot has the five keys that the docstring names. A seed among them is no state.")
    if packed == right:
        got = observe(interrupted, 5, 4, way)
        message = "Five steps are done: which number has the next one? And are the generators those that were given?"
        expect([got["step"], got["same"]], [5, True], message)
        message = "Batches, dropout, momentum, running means: on which of them does the first different loss depend?"
        expect(got["resumed"], got["straight"], message, rtol=0, atol=0)


# ---- a whole file or none


@part("atomic")
def test_the_name_changes_hands_at_once(observe, expect, rng):
    old, new = rng.bytes(300), rng.bytes(700)
    before = {"content": old, "others": 1}
    events = [["fsync", 700, before], ["rename", 700, True, before]]
    want = {"events": events, "raised": None, "after": {"content": new, "others": 0}, "here": ["runs"]}
    message = "Another file beside it, all of it on the disk, then the name. What lay under the name at each of these?"
    got = observe(written, old, new)
    expect(got, want, message)


@part("atomic")
@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_a_failure_leaves_what_was_there(observe, expect, rng, failing):
    old = rng.bytes(300)
    got = observe(written, old, rng.bytes(500), failing)
    number = {"fsync": 28, "rename": 5}[failing]
    message = f"The {failing} fails. The old file, nothing beside it, and the caller hears of it: which is not so?"
    expect([got["after"], got["raised"]], [{"content": old, "others": 0}, number], message)


# ---- the budget


def operations(block_size, vocab_size, n_layer, n_head, n_embd, bias):
    """Forward operations of every product for one token, three times; a bias or a norm's weight counts like a weight."""
    C, T = n_embd, block_size
    products = [(C, 3 * C), (C, C), (C, 4 * C), (4 * C, C)] * n_layer + [(C, vocab_size)]
    weights = sum(a * b for a, b in products) + (2 * n_layer + 1) * C * (1 + bias) + bias * n_layer * 9 * C
    return 3 * (2 * weights + n_layer * (2 * T * C + 2 * C * T))


@part("budget")
def test_each_token_costs_what_its_products_cost(observe, expect, rng):
    block, vocab, layers, heads = (int(n) for n in rng.permutation([70, 301, 5, 6]))
    names = "block_size vocab_size n_layer n_head n_embd bias".split()
    configs = [dict(zip(names, (1024, 50257, 12, 12, 768, True))), dict(zip(names, (64, 65, 4, 4, 128, False)))]
    configs.append(dict(zip(names, (block, vocab, layers, heads, 12 * heads, bool(rng.integers(2))))))
    want = [operations(**config) for config in configs]
    got = observe(counted, configs, seconds=15)
    expect(got, want, "GPT-2: 855,166,464. Which table is never multiplied with, and which is?")


@part("budget")
def test_operations_become_days(observe, expect, rng):
    names = "block_size vocab_size n_layer n_head n_embd bias".split()
    for tokens, peak, share in ((300e9, 2.5e15, 0.4), *rng.uniform((1e9, 1e13, 0.2), (9e9, 9e13, 0.6), (2, 3))):
        config = dict(zip(names, (64, 65, 4, 4, 128, False)))
        got = observe(days, config, float(tokens), float(peak), float(share))
        want = float(operations(**config) * tokens / (peak * share) / (24 * 60 * 60))
        expect(got, want, "Operations, over operations a second that are really done, are seconds. Then days.")
