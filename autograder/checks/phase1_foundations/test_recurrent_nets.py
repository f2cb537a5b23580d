"""Checks of the recurrent nets: against nn.RNN, nn.GRU and nn.LSTM on shared weights, slow loops and closed forms.

Everything is float64, so that agreement means six digits and more. Sizes differ pairwise, and no weight is 0.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from autograder.judge import observation, part
from autograder.observe import probe

BLOCKS = {"RNN": 1, "GRU": 3, "LSTM": 4}
MEMORIES = {"RNN": 1, "GRU": 1, "LSTM": 2}
SEED = 2  # of the one training run; most seeds take longer to learn, none of the wrong cells does in this time


def numbers(rng, *shape, size=1.0):
    """A float64 tensor, its entries of either sign and none near 0."""
    return torch.from_numpy(rng.choice([-size, size], shape) * rng.uniform(0.2, 1.0, shape))


def weights(rng, kind, C, H):
    """Weights of a cell under PyTorch's names; the two biases differ."""
    rows = BLOCKS[kind] * H
    return {
        "weight_ih": numbers(rng, rows, C),
        "weight_hh": numbers(rng, rows, H, size=0.7),
        "bias_ih": numbers(rng, rows),
        "bias_hh": numbers(rng, rows),
    }


def start(rng, kind, B, H):
    return [numbers(rng, B, H) for _ in range(MEMORIES[kind])]


def library(kind, given):
    """PyTorch's own module over whole sequences, with the given weights."""
    H, C = given["weight_hh"].shape[1], given["weight_ih"].shape[1]
    module = getattr(nn, kind)(C, H, batch_first=True).double()
    module.load_state_dict({f"{name}_l0": value for name, value in given.items()})
    return module


def run(module, xs, state):
    """The h of every step and the last state as a list, from a state as a list."""
    lifted = [memory[None] for memory in state]
    hs, last = module(xs, tuple(lifted) if len(lifted) == 2 else lifted[0])
    return hs, [memory[0] for memory in (last if isinstance(last, tuple) else (last,))]


def weighed(values, sizes):
    return sum((value * size).sum() for value, size in zip(values, sizes, strict=True))


def by_torch(kind, given, xs, state, sizes):
    """What the library makes of a sequence, in the form of `steps_taken` and `unrolled`."""
    module = library(kind, given)
    xs, *state = (leaf.clone().requires_grad_() for leaf in (xs, *state))
    hs, last = run(module, xs, state)
    weighed([hs, *last], sizes).backward()
    slopes = {name.removesuffix("_l0"): p.grad for name, p in module.named_parameters()}
    return {"h": hs, "last": last, "slopes": [xs.grad, *(leaf.grad for leaf in state)], "weights": slopes}


def plain(result):
    return {name: detached(value) for name, value in result.items()}


def detached(value):
    if isinstance(value, dict):
        return {name: entry.detach() for name, entry in value.items()}
    return [entry.detach() for entry in value] if isinstance(value, list) else value.detach()


def case(rng, kind, B, T, C, H):
    """Arguments of `steps_taken` and `unrolled`, and what the library says to them."""
    given, xs, state = weights(rng, kind, C, H), numbers(rng, B, T, C), start(rng, kind, B, H)
    sizes = [numbers(rng, B, T, H), *(numbers(rng, B, H) for _ in state)]
    arguments = given, xs, state, sizes
    return arguments, plain(by_torch(kind, *arguments))


@observation
def steps_taken(learner, kind, weights, xs, state, sizes):
    cell = learner.RNNCell if kind == "RNN" else learner.GRUCell if kind == "GRU" else learner.LSTMCell
    cell = probe.load(cell(xs.shape[2], state[0].shape[1]).double(), weights)
    xs, *state = (leaf.clone().requires_grad_() for leaf in (xs, *state))
    now, hs = tuple(state), []
    for t in range(xs.shape[1]):
        now = cell(xs[:, t], now)
        hs.append(now[0])
    hs, last = torch.stack(hs, 1), list(now)
    pairs = [pair for pair in zip([hs, *last], sizes, strict=True) if pair[0].shape == pair[1].shape]
    loss = sum((value * size).sum() for value, size in pairs)
    slopes = probe.parameter_gradients(cell, loss)
    return {"h": hs, "last": last, "slopes": [xs.grad, *(leaf.grad for leaf in state)], "weights": slopes}


@observation
def unrolled(learner, kind, weights, xs, state, sizes):
    one = getattr(nn, kind + "Cell")(xs.shape[2], state[0].shape[1]).double()
    one = probe.load(one, weights)
    xs, *state = (leaf.clone().requires_grad_() for leaf in (xs, *state))
    across = xs.transpose(0, 1).contiguous().transpose(0, 1)

    def cell(x, state):
        return one(x, state) if kind == "LSTM" else (one(x, state[0]),)

    cell.H = state[0].shape[1]
    hs, last = learner.unroll(cell, across, tuple(state))
    last = list(last)
    pairs = [pair for pair in zip([hs, *last], sizes, strict=True) if pair[0].shape == pair[1].shape]
    loss = sum((value * size).sum() for value, size in pairs)
    slopes = probe.parameter_gradients(one, loss)
    return {"h": hs, "last": last, "slopes": [xs.grad, *(leaf.grad for leaf in state)], "weights": slopes}


@observation
def counted(learner, xs, state):
    seen = []

    def cell(x, state):
        seen.append(x.clone())
        return 0.5 * state[0] + x * state[1], state[1] + 1.0

    cell.H = state[0].shape[1]
    hs, last = learner.unroll(cell, xs, tuple(state))
    return {"h": hs, "last": list(last), "inputs": seen}


@observation
def scores(learner, weights, head, xs, lengths):
    C, H, K = xs.shape[2], weights["weight_hh"].shape[1], head["weight"].shape[0]
    reader = learner.Reader(learner.RNNCell(C, H), K).double()
    probe.load(reader.cell, weights)
    probe.load(reader.head, head)
    xs = xs.clone().requires_grad_()
    arguments = () if lengths is None else (lengths,)
    first = reader(xs, *arguments)
    (slopes,) = probe.gradients((first**2).sum(), [xs])
    second = reader(xs.detach().flip(0), *arguments)
    return {"first call": first, "second call, rows reversed": second, "slopes": slopes}


@observation
def heard(learner, kind, weights, xs, state, sizes):
    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.H = state[0].shape[1]
            self.one = getattr(nn, kind + "Cell")(xs.shape[2], self.H).double()

        def forward(self, x, state):
            return self.one(x, state) if kind == "LSTM" else (self.one(x, state[0]),)

    cell = Cell()
    probe.load(cell.one, weights)
    return learner.gradient_norms(cell, xs, tuple(state), lambda hs: (hs * sizes).sum())


@observation
def traces_left(learner, weights, xs, state):
    class Cell(nn.RNNCell):
        def forward(self, x, state):
            return (super().forward(x, state[0]),)

    one = probe.load(Cell(xs.shape[2], state[0].shape[1]).double(), weights)
    one.H = one.hidden_size
    one.bias_ih.grad = torch.full_like(one.bias_ih, 7.0)
    tracked = xs.clone().requires_grad_()
    norms = learner.gradient_norms(one, xs, tuple(state), lambda hs: hs.pow(3).sum())
    again = learner.gradient_norms(one, tracked, tuple(state), lambda hs: hs.pow(3).sum())
    return {
        "norms": [norms, again],
        "norms carry a graph": norms.requires_grad,
        "xs wants gradients": [xs.requires_grad, tracked.requires_grad],
        "grad of xs": [xs.grad, tracked.grad],
        "grads of the weights": [p.grad for p in one.parameters()],
    }


@observation
def forget_gate(learner, weights, C, H, biases):
    cell = probe.load(learner.LSTMCell(C, H).double(), weights)
    seen, given = [], list(cell.parameters())
    for bias in biases:
        learner.open_forget_gate(cell, *bias)
        now = {name: p.detach().clone() for name, p in cell.named_parameters()}
        gate = (now["bias_ih"] + now["bias_hh"]).view(4, H)
        others = [now[name].view(4, H)[[0, 2, 3]] for name in ("bias_ih", "bias_hh")]
        seen.append([gate[1], others, now["weight_ih"], now["weight_hh"]])
    h, c = cell(torch.ones(1, C).double(), (torch.ones(1, H).double(), torch.ones(1, H).double()))
    slopes = probe.parameter_gradients(cell, h.sum() + c.sum())
    arrives = {name: slope is not None and bool(slope.any()) for name, slope in slopes.items()}
    same = all(a is b for a, b in zip(given, cell.parameters()))
    return {"after each call": seen, "a gradient arrives": arrives, "the same parameters": same}


@observation
def learning_to_recall(learner, weights, head, tokens):
    K, H = head["weight"].shape
    reader = learner.Reader(probe.load(learner.LSTMCell(K, H), weights), K)
    probe.load(reader.head, head)
    learner.open_forget_gate(reader.cell)
    state = [(p, torch.zeros_like(p), torch.zeros_like(p)) for p in reader.parameters()]
    losses, slopes = [], {}
    for n in range(len(tokens)):
        loss = F.cross_entropy(reader(F.one_hot(tokens[n], K).float()), tokens[n, :, 0])
        now = probe.parameter_gradients(reader, loss)
        slopes = slopes or {name: None if slope is None else slope.clone() for name, slope in now.items()}
        losses.append(loss.item())
        with torch.no_grad():
            for p, mean, square in state:
                if p.grad is not None:
                    mean.mul_(0.9).add_(0.1 * p.grad)
                    square.mul_(0.99).add_(0.01 * p.grad**2)
                    p -= 0.03 * mean / (1 - 0.9 ** (n + 1)) / ((square / (1 - 0.99 ** (n + 1))).sqrt() + 1e-8)
    return {"first slopes": slopes, "loss": sum(losses[-10:]) / 10}


@observation
def chunks(learner, weights, xs, ys, state, k, rate):
    one = nn.LSTMCell(xs.shape[2], state[0].shape[1]).double()
    one = probe.load(one, weights)
    one.H = one.hidden_size
    slopes, sizes = [], []

    def loss(hs, ys):
        sizes.append(list(hs.shape))
        return (hs**2 - hs * ys).mean()

    def step():
        slopes.append([None if p.grad is None else p.grad.clone() for p in one.parameters()])
        with torch.no_grad():
            for p in one.parameters():
                p -= 0 if p.grad is None else rate * p.grad
        one.zero_grad()

    given = tuple(memory.clone().requires_grad_() for memory in state)
    losses, last = learner.truncated_bptt(one, xs, ys, given, k, loss, step)
    last = [last[n] for n in range(len(state))]
    return {
        "losses": [value if isinstance(value, float) else f"no float but {type(value).__name__}" for value in losses],
        "slopes at each step": slopes,
        "chunks": sizes,
        "last state": last,
        "a graph hangs on": [
            any(getattr(value, "requires_grad", False) for value in values) for values in (losses, last)
        ],
        "slopes of the given state": [memory.grad for memory in given],
    }


def chunks_by_torch(given, xs, ys, state, k, rate):
    """The same by nn.LSTM and a plain loop, in the form of `chunks`."""
    module = library("LSTM", given)
    result = {"losses": [], "slopes at each step": [], "chunks": []}
    for piece, targets in zip(xs.split(k, 1), ys.split(k, 1), strict=True):
        hs, last = run(module, piece, state)
        loss = (hs**2 - hs * targets).mean()
        slopes = torch.autograd.grad(loss, list(module.parameters()))
        with torch.no_grad():
            for p, slope in zip(module.parameters(), slopes, strict=True):
                p -= rate * slope
        state = [memory.detach() for memory in last]
        for name, value in zip(result, (loss.item(), list(slopes), list(hs.shape)), strict=True):
            result[name].append(value)
    return {
        **result,
        "last state": state,
        "a graph hangs on": [False, False],
        "slopes of the given state": [None, None],
    }


def expect_step(expect, got, want, values, slopes):
    """What one cell has said, value by value, with one thought for values and one for slopes."""
    expect({name: got[name] for name in ("h", "last")}, {name: want[name] for name in ("h", "last")}, values)
    expect({n: got[n] for n in ("slopes", "weights")}, {n: want[n] for n in ("slopes", "weights")}, slopes)


@part("rnn_cell")
def test_one_plain_step_agrees_with_torch(observe, expect, rng):
    arguments, want = case(rng, "RNN", 3, 1, 2, 4)
    got = observe(steps_taken, "RNN", *arguments)
    values = "Write out entry 0 of h for one row: which four terms meet before the tanh?"
    expect_step(expect, got, want, values, "The values agree. Which of the inputs or weights does the graph not reach?")


@part("rnn_cell")
def test_plain_steps_in_a_row_agree_with_torch(observe, expect, rng):
    arguments, want = case(rng, "RNN", 2, 6, 3, 5)
    got = observe(steps_taken, "RNN", *arguments)
    values = "Which step is the first to be wrong, and what did it get from the one before?"
    expect_step(expect, got, want, values, "Steps agree in value. Is the chain from the last h to the first intact?")


@part("unroll")
def test_every_step_starts_where_the_last_one_ended(observe, expect, rng):
    xs, state = numbers(rng, 2, 5, 3), [numbers(rng, 2, 3), numbers(rng, 2, 3)]
    hs, (h, c) = [], state
    for t in range(5):
        h, c = 0.5 * h + xs[:, t] * c, c + 1.0
        hs.append(h)
    got = observe(counted, xs, state)
    message = "This cell halves h, adds x times a counter, and counts. Which step got a state that is not its own?"
    expect(got, {"h": torch.stack(hs, 1), "last": [h, c], "inputs": [xs[:, t] for t in range(5)]}, message)


@part("unroll")
def test_a_whole_sequence_agrees_with_torch(observe, expect, rng):
    for kind, T in (("LSTM", 6), ("RNN", 1)):
        arguments, want = case(rng, kind, 2, T, 3, 5)
        got = observe(unrolled, kind, *arguments)
        expect(got["h"], want["h"], "h of every step: (B, T, H). From which step on does it differ?")
        expect(got["last"], want["last"], "The state after the last step has all that the cell returned there.")


@part("unroll")
def test_slopes_flow_through_every_step(observe, expect, rng):
    arguments, want = case(rng, "GRU", 4, 5, 2, 3)
    got = observe(unrolled, "GRU", *arguments)
    message = "Slopes of xs, of the first state and of the weights: from which step, seen from the end, are they short?"
    expect([got["slopes"], got["weights"]], [want["slopes"], want["weights"]], message)


def scores_by_torch(given, head, xs, lengths):
    """What nn.RNN, reading packed sequences, and a linear layer say, in the form of `scores`."""
    module, xs = library("RNN", given), xs.clone().requires_grad_()

    def read(xs):
        packed = nn.utils.rnn.pack_padded_sequence(xs, lengths, batch_first=True, enforce_sorted=False)
        return F.linear(module(packed)[1][0], head["weight"], head["bias"])

    first = read(xs)
    (slopes,) = torch.autograd.grad((first**2).sum(), [xs])
    second = read(xs.detach().flip(0))
    return plain({"first call": first, "second call, rows reversed": second, "slopes": slopes})


def reading(rng, B, T, C, H, K):
    return weights(rng, "RNN", C, H), {"weight": numbers(rng, K, H), "bias": numbers(rng, K)}, numbers(rng, B, T, C)


@part("reader")
def test_the_answer_comes_after_the_last_real_step(observe, expect, rng):
    given, head, xs = reading(rng, 4, 6, 2, 5, 3)
    lengths = torch.from_numpy(rng.permutation([1, 3, 4, 6]))
    got = observe(scores, given, head, xs, lengths)
    want = scores_by_torch(given, head, xs, lengths)
    expect(got["first call"], want["first call"], f"Lengths {lengths.tolist()}. Which h is row 0's last real one?")
    expect(got["slopes"], want["slopes"], "Does a nudge of the padding move a score?")


@part("reader")
def test_without_lengths_every_step_is_real(observe, expect, rng):
    given, head, xs = reading(rng, 3, 5, 2, 4, 6)
    got = observe(scores, given, head, xs, None)
    want = scores_by_torch(given, head, xs, torch.tensor([5] * 3))
    expect(got["first call"], want["first call"], "No lengths, no padding: which h has seen all of the sequence?")
    expect(got["slopes"], want["slopes"], "Every step may move the scores. Which one does not?")


@part("reader")
def test_each_call_is_about_new_sequences(observe, expect, rng):
    given, head, xs = reading(rng, 3, 4, 2, 5, 6)
    lengths = torch.from_numpy(rng.permutation([2, 3, 4]))
    got = observe(scores, given, head, xs, lengths)
    message = "The second call reads other sequences. What did it know of the first?"
    want = scores_by_torch(given, head, xs, lengths)["second call, rows reversed"]
    expect(got["second call, rows reversed"], want, message)


def norms_by_torch(kind, given, xs, state, loss):
    xs = xs.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(loss(run(library(kind, given), xs, state)[0]), xs)
    return torch.from_numpy(np.sqrt((slopes.numpy() ** 2).sum((0, 2))))


@part("gradient_norms")
def test_norms_of_a_loss_on_every_step_agree_with_torch(observe, expect, rng):
    for kind in ("RNN", "LSTM"):
        given, xs, state = weights(rng, kind, 3, 5), numbers(rng, 2, 6, 3), start(rng, kind, 2, 5)
        sizes = numbers(rng, 2, 6, 5)
        got = observe(heard, kind, given, xs, state, sizes)
        want = norms_by_torch(kind, given, xs, state, lambda hs, sizes=sizes: (hs * sizes).sum())
        expect(got, want, "One number per step, from the squares over B and C. Which gradient goes in, taken where?")


@part("gradient_norms")
def test_a_loss_on_one_step_hears_those_before_it_and_none_after(observe, expect, rng):
    given, xs, state = weights(rng, "GRU", 2, 4), numbers(rng, 3, 7, 2), start(rng, "GRU", 3, 4)
    sizes = torch.zeros(3, 7, 4).double()
    sizes[:, 4] = numbers(rng, 3, 4)
    got = observe(heard, "GRU", given, xs, state, sizes)
    want = norms_by_torch("GRU", given, xs, state, lambda hs: (hs * sizes).sum())
    expect(got, want, "The loss looks at step 4 alone, which was made from the steps before. Who is heard?")


@part("gradient_norms")
def test_a_measurement_leaves_no_trace(observe, expect, rng):
    given, xs, state = weights(rng, "RNN", 2, 4), numbers(rng, 3, 5, 2), start(rng, "RNN", 3, 4)
    got = observe(traces_left, given, xs, state)
    norms = norms_by_torch("RNN", given, xs, state, lambda hs: hs.pow(3).sum())
    want = {
        "norms": [norms, norms],
        "norms carry a graph": False,
        "xs wants gradients": [False, True],
        "grad of xs": [None, None],
        "grads of the weights": [None, None, torch.full((4,), 7.0).double(), None],
    }
    expect(got, want, "Someone measures in the middle of training. What have you left in their tensors?")


@part("lstm_cell")
def test_one_lstm_step_agrees_with_torch(observe, expect, rng):
    arguments, want = case(rng, "LSTM", 3, 1, 2, 4)
    got = observe(steps_taken, "LSTM", *arguments)
    values = "Take the new c first: what is kept of the old one, what is added? Only then h. Which of them is off?"
    expect_step(expect, got, want, values, "The values agree. Which of the two, h or c, does the graph not reach?")


@part("lstm_cell")
def test_lstm_steps_in_a_row_agree_with_torch(observe, expect, rng):
    arguments, want = case(rng, "LSTM", 2, 6, 3, 5)
    got = observe(steps_taken, "LSTM", *arguments)
    values = "Which step is the first to be wrong, and is it h or c?"
    expect_step(expect, got, want, values, "Two roads lead back from step to step, h and c. Is either one cut?")


@part("lstm_cell")
def test_what_the_gates_keep_stays(observe, expect, rng):
    given, H = weights(rng, "LSTM", 2, 3), 3
    closed = torch.tensor([-60.0, 60.0, 0.0, 0.0]).double().repeat_interleave(H)
    given["bias_ih"] = given["bias_ih"] + closed
    xs, state = numbers(rng, 4, 25, 2), start(rng, "LSTM", 4, H)
    sizes = [torch.zeros(4, 25, H).double(), torch.zeros(4, H).double(), numbers(rng, 4, H)]
    got = observe(steps_taken, "LSTM", given, xs, state, sizes)
    message = "Forget gate open, input gate shut, 25 steps. What should c be, and its slope from end to start?"
    expect([got["last"][1], got["slopes"][2]], [state[1], sizes[2]], message)


@part("forget_bias")
def test_the_forget_gate_gets_its_bias_and_the_rest_stays(observe, expect, rng):
    given, C, H = weights(rng, "LSTM", 2, 3), 2, 3
    second = float(rng.uniform(2.0, 4.0))
    others = [given[name].view(4, H)[[0, 2, 3]] for name in ("bias_ih", "bias_hh")]
    rest = [others, given["weight_ih"], given["weight_hh"]]
    want = [[torch.full((H,), bias).double(), *rest] for bias in (1.0, second)]
    got = observe(forget_gate, given, C, H, [[], [second]])
    message = "After each call: the two biases of the forget gate, added up; then what should not have changed."
    expect(got["after each call"], want, message)
    expect(got["a gradient arrives"], dict.fromkeys(given, True), "Are all four still weights that can be trained?")
    message = "An optimizer was made before the bias was set. Does it still hold the weights that the cell has now?"
    expect(got["the same parameters"], True, message)


def first_slopes_by_torch(given, head, tokens):
    """Slopes of nn.LSTM with forget bias 1 and a linear layer before any step, as `learning_to_recall` has them."""
    H = head["weight"].shape[1]
    module = library("LSTM", {**given, "bias_ih": torch.tensor([0.0, 1.0, 0.0, 0.0]).repeat_interleave(H)}).float()
    head = {name: value.clone().requires_grad_() for name, value in head.items()}
    last = module(F.one_hot(tokens, 4).float())[1][0][0]
    F.cross_entropy(F.linear(last, head["weight"], head["bias"]), tokens[:, 0]).backward()
    slopes = {f"cell.{name.removesuffix('_l0')}": p.grad for name, p in module.named_parameters()}
    return slopes | {f"head.{name}": value.grad for name, value in head.items()}


@part("forget_bias")
def test_an_lstm_born_open_learns_to_recall_the_first_of_twelve(observe, expect):
    draws, H = torch.Generator().manual_seed(SEED), 16
    given = {
        "weight_ih": torch.randn(4 * H, 4, generator=draws),
        "weight_hh": torch.randn(4 * H, H, generator=draws) / 8,
        "bias_ih": torch.zeros(4 * H),
        "bias_hh": torch.zeros(4 * H),
    }
    head = {"weight": torch.randn(4, H, generator=draws) / 5, "bias": torch.zeros(4)}
    tokens = torch.randint(4, (64, 16, 12), generator=draws)
    got = observe(learning_to_recall, given, head, tokens, seconds=40.0)
    message = "Before the first step of training: which weight's slope differs, and how does the loss reach it?"
    expect(got["first slopes"], first_slopes_by_torch(given, head, tokens[0]), message)
    message = "Guessing costs 1.386. Which of the parts that play together here keeps step 0 from being heard?"
    expect(got["loss"], 0.35, message, rtol=0.0, atol=0.35)


@part("gru_cell")
def test_one_gru_step_agrees_with_torch(observe, expect, rng):
    arguments, want = case(rng, "GRU", 3, 1, 2, 4)
    got = observe(steps_taken, "GRU", *arguments)
    values = "Compute r, z and n for one entry by hand. What exactly does r multiply, and what does z keep?"
    expect_step(expect, got, want, values, "The values agree. Which of the inputs or weights does the graph not reach?")


@part("gru_cell")
def test_gru_steps_in_a_row_agree_with_torch(observe, expect, rng):
    arguments, want = case(rng, "GRU", 2, 6, 3, 5)
    got = observe(steps_taken, "GRU", *arguments)
    values = "Which step is the first to be wrong, and what did it get from the one before?"
    expect_step(expect, got, want, values, "Steps agree in value. Is the chain from the last h to the first intact?")


@part("truncated_bptt")
def test_each_chunk_has_its_loss_its_slopes_and_its_step(observe, expect, rng):
    given, state = weights(rng, "LSTM", 2, 4), start(rng, "LSTM", 3, 4)
    xs, ys = numbers(rng, 3, 11, 2), numbers(rng, 3, 11, 4, size=0.5)
    got = observe(chunks, given, xs, ys, state, 5, 0.3)
    want = chunks_by_torch(given, xs, ys, state, 5, 0.3)
    message = "Eleven steps in chunks of five, with a step of training after each. Which chunk is the first to differ?"
    for name in ("chunks", "losses", "slopes at each step", "last state"):
        expect(got[name], want[name], f"{message} ({name})")


@part("truncated_bptt")
def test_nothing_leaks_across_a_border(observe, expect, rng):
    given, state = weights(rng, "LSTM", 3, 2), start(rng, "LSTM", 4, 2)
    xs, ys = numbers(rng, 4, 6, 3), numbers(rng, 4, 6, 2, size=0.5)
    got = observe(chunks, given, xs, ys, state, 3, 0.3)
    message = "Losses are plain numbers, the last state is numbers alone, and the given state is nobody's to train."
    names = "losses", "last state", "a graph hangs on", "slopes of the given state"
    want = chunks_by_torch(given, xs, ys, state, 3, 0.3)
    expect([got[name] for name in names], [want[name] for name in names], message)


@part("truncated_bptt")
def test_one_long_chunk_is_the_whole_walk_back(observe, expect, rng):
    given, state = weights(rng, "LSTM", 2, 5), start(rng, "LSTM", 3, 5)
    xs, ys = numbers(rng, 3, 7, 2), numbers(rng, 3, 7, 5, size=0.5)
    for k in (7, 9):
        got = observe(chunks, given, xs, ys, state, k, 0.3)
        want = chunks_by_torch(given, xs, ys, state, 7, 0.3)
        expect(got, want, f"k = {k} covers all seven steps, so nothing is cut. What differs from one full walk back?")
