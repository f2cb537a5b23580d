# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 16
#     title: Training a GPT
#     question: "A training run never crashes over its mistakes. How do you know in its first minute that it is right, and what makes it survive the night?"
#     hours: 5
#     track: core
#     week: 9
#     needs: [gpt]
#     sources:
#       - "Andrej Karpathy, Neural Networks: Zero to Hero, lecture 10: let's reproduce GPT-2 (124M); nanoGPT"
#       - "Andrej Karpathy: A Recipe for Training Neural Networks (2019)"
#       - "Loshchilov, Hutter: SGDR (2017), section 3, and Decoupled Weight Decay Regularization (2019), section 2"
#       - "Pascanu, Mikolov, Bengio: On the difficulty of training recurrent neural networks (2013), section 3.2: clipping by the norm"
#       - "Kaplan et al.: Scaling Laws for Neural Language Models (2020), section 2.1; Chowdhery et al.: PaLM (2022), appendix B"
#       - "Hoffmann et al.: Training Compute-Optimal Large Language Models (2022), section 3"
#     alone: [windows, accumulate, train_step, snapshot, restore]
#     from_scratch:
#       - transformers
#       - torch.optim.lr_scheduler
#       - torch.distributed.checkpoint
# ---

# %% [markdown]
# # Training a GPT
#
# **A training run never crashes over its mistakes. How do you know in its first minute that it is right, and what makes
# it survive the night?**
#
# The model is done; this is about what stands around it. You are about to write the loop that trains it: batches from a
# file that does not fit into memory, gradients gathered piece by piece, a rate that rises and falls, checkpoints from
# which a run goes on *to the last bit* as if nothing had happened. None of it is long. All of it fails in silence: a
# wrong loop still prints losses that fall.
#
# Where this bites at work:
#
# - The loss goes to 0.01 overnight. The model has learnt to copy its input.
# - Somebody halves the micro-batch to fit a smaller card, and the run that was stable diverges. The gradients are
#   twice as large, and nothing says so.
# - A run is resumed after a power cut, and its loss makes a step. Or there is nothing to resume from: the power went
#   while the checkpoint was being written over the last good one.
# - The month's budget is spent on the ninth. Nobody had multiplied 6 by N by D.
#
# | letter | meaning |
# |---|---|
# | $B$, $T$ | batch, time: how many windows, how many tokens in each |
# | $L$, $C$, $V$ | blocks, channels, tokens in the vocabulary |
# | $s$, $S$ | number of a step, beginning with 0; steps in all |
# | $W$ | steps of warm-up |
# | $\eta$ | learning rate |
# | $N$, $D$ | parameters, and tokens (D as in data) that the model is trained on |

# %%
from autograder import aha, carry, check, hint, palette  # first: its judge warms up while the rest is imported

import contextlib
import io
import math
import os
import tempfile
import time
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from autograder.datasets import python_prose

INK, BLUE, ORANGE, GREEN, *_ = palette()
torch.set_num_threads(1)  # models as small as these only lose by sharing their work

# %% [markdown]
# Exercise 15 comes along: your own GPT where it passes, the reference where it does not. Of `gpt` this lesson uses
# `gpt.GPTConfig`, `gpt.GPT`, whose `model(x, y)` returns logits and the *mean* loss over the targets that are not
# `-1`, and `gpt.count_parameters(config)`.

# %%
gpt = carry("gpt")

# %% [markdown]
# ## Batches from a file
#
# Tokens are whole numbers below $V$. GPT-2's 50,257 fit into 16 bits without a sign, so a text becomes a file of two bytes a
# token and nothing else. Ten billion tokens are 20 GB: too much for memory, and a step needs twelve windows of it.
# So the file is *mapped*: it looks like an array, and a page of it is read when somebody touches it.


# %%
def write_tokens(path, tokens):
    """Write tokens as a file of unsigned 16-bit numbers, one after the other."""
    np.asarray(tokens, dtype=np.uint16).tofile(path)


text = python_prose()[:200_000]
alphabet = sorted(set(text))
code = {character: number for number, character in enumerate(alphabet)}
folder = tempfile.mkdtemp()
write_tokens(f"{folder}/training.bin", [code[character] for character in text[:180_000]])
write_tokens(f"{folder}/held_out.bin", [code[character] for character in text[180_000:]])
print(f"{os.path.getsize(f'{folder}/training.bin'):,} bytes, {len(alphabet)} different characters")

# %% [markdown]
# A window of $T$ tokens is one text and $T$ questions: after token 0, what comes? After 0 and 1, what comes? The answers
# are the same text, one token further on:
#
# $$x_t = d_{i+t}, \qquad y_t = d_{i+t+1}, \qquad t = 0 \ldots T-1$$
#
# **Predict.** Ten tokens, numbered 0 to 9, and $T = 4$. What is the last number $i$ at which a window may begin? So how
# many beginnings are there?


# %% nbgrader={"grade_id": "open_tokens", "solution": true}
def open_tokens(path):
    """Map a file of unsigned 16-bit numbers into memory, for reading only: an np.memmap of one axis, dtype uint16."""
    ### BEGIN SOLUTION
    return np.memmap(path, dtype=np.uint16, mode="r")
    ### END SOLUTION


# %% nbgrader={"grade_id": "count_starts", "solution": true}
def count_starts(length, T):
    """At how many places a window and its answers may begin, in a text of `length` tokens: they are 0, 1, …, count - 1.

    Every token of the text is used by some window or answer. Raises ValueError where not even one window fits.
    """
    ### BEGIN SOLUTION
    if length <= T:
        raise ValueError(f"a window of {T} tokens and the one after it do not fit into a text of {length}")
    return length - T
    ### END SOLUTION


# %% nbgrader={"grade_id": "windows", "solution": true}
def windows(data, starts, T):
    """Windows that begin at `starts`, and their answers: (B,) -> two of (B, T), both torch.int64.

    data    tokens as open_tokens returns them: of a long file, only what the windows need may be read
    starts  a tensor of whole numbers
    """
    ### BEGIN SOLUTION
    at = starts[:, None] + torch.arange(T + 1)  # (B, T + 1): a window and one more
    chunk = torch.from_numpy(data[at.numpy()].astype(np.int64))
    return chunk[:, :-1], chunk[:, 1:]
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-batches", "grade": true, "points": 3}
check("batches")


# %% [markdown]
# Which windows come is decided by a generator of its own. That will matter more than it seems.


# %%
def get_batch(data, B, T, generator):
    """B windows from anywhere, with their answers: two of (B, T)."""
    return windows(data, torch.randint(count_starts(len(data), T), (B,), generator=generator), T)


training, held_out = open_tokens(f"{folder}/training.bin"), open_tokens(f"{folder}/held_out.bin")
x, y = get_batch(training, 2, 12, torch.Generator().manual_seed(0))
for row in range(2):
    print(*("".join(alphabet[token] for token in tokens[row]).__repr__() for tokens in (x, y)), sep="  →  ")

# %% [markdown]
# ## What decays and what does not
#
# AdamW pulls every weight a little towards zero at each step. For the matrices of the Linears and the tables that is wanted: many
# small weights instead of a few large ones. A norm's weight is a scale that wants to be about 1, and a bias is an
# offset; nothing is gained by pulling them to 0. There is a simple rule that needs no names: **parameters with two axes or more
# decay, those with one do not.**
#
# An optimizer takes *groups* of parameters, each a dict with settings of its own.


# %% nbgrader={"grade_id": "decay_groups", "solution": true}
def decay_groups(model, weight_decay):
    """Two groups for an optimizer: first what decays, then what does not.

    Each is {"params": a list of parameters, "weight_decay": a number}; the second number is 0. Every parameter that
    requires a gradient is in exactly one list, once, also if the model knows it by two names.
    """
    ### BEGIN SOLUTION groups
    decayed, kept = [], []
    for parameter in model.parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim >= 2 else kept).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-groups", "grade": true, "points": 2}
check("groups")

# %% [markdown]
# **Predict.** Which share of a GPT's parameters decays? Which share of its *tensors*?

# %%
for group in decay_groups(gpt.GPT(gpt.GPTConfig(64, 65, 4, 4, 128)), 0.1):
    count = sum(parameter.numel() for parameter in group["params"])
    print(f"decay {group['weight_decay']}: {len(group['params']):3} tensors, {count:8,} numbers")

# %% [markdown]
# ## A rate that rises and falls
#
# In the first steps Adam knows little about the sizes of the gradients, and a newborn model's are unlike any that come
# later. So the rate climbs from almost nothing, by equal amounts, to its peak. Afterwards it falls along half a
# cosine: long at the top, long at the bottom.
#
# $$\eta(s) = \begin{cases}
# \eta_{\max}\,\dfrac{s+1}{W+1} & s < W \\[2ex]
# \eta_{\min} + \dfrac{1}{2}\left(1 + \cos\left(\pi\,\dfrac{s-W}{S-W}\right)\right)(\eta_{\max} - \eta_{\min}) & W \le s \le S \\[2ex]
# \eta_{\min} & s > S
# \end{cases}$$
#
# **Predict.** $W = 4$. What fraction of the peak is the rate at steps 0, 3 and 4? What would it be at step 0 if the
# numerator were $s$, and what would be the use of that step?


# %% nbgrader={"grade_id": "learning_rate", "solution": true}
def learning_rate(step, peak, floor, warmup, total):
    """The rate for a step, by the formula above: numbers -> float.

    step    s, which begins with 0
    peak    the rate after the warm-up, and floor: the rate at the end
    warmup  W, 0 or more
    total   S, more than W
    """
    ### BEGIN SOLUTION schedule
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    progress = min((step - warmup) / (total - warmup), 1.0)
    return floor + 0.5 * (1.0 + math.cos(math.pi * progress)) * (peak - floor)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-schedule", "grade": true, "points": 2}
check("schedule")

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3), gridspec_kw={"width_ratios": [2, 1]})
steps = range(2200)
left.plot(steps, [learning_rate(s, 1e-3, 1e-4, 100, 2000) for s in steps], color=ORANGE)
left.set(xlabel="step", ylabel="rate", ylim=(0, 1.1e-3), title="100 steps up, 1,900 down, and then the floor")
first = range(8)
right.plot(first, [learning_rate(s, 1.0, 0.1, 4, 2000) for s in first], "o-", color=ORANGE, label="(s + 1) / (W + 1)")
right.plot(first, [min(s / 4, 1) for s in first], "s:", color=BLUE, label="s / W")
right.plot(first, [min((s + 1) / 4, 1) for s in first], "^:", color=GREEN, label="(s + 1) / W")
right.set(xlabel="step", title="W = 4, three ways", ylim=(0, 1.1))
right.legend()
fig.tight_layout()
plt.show()

# %% [markdown]
# All three are in use somewhere. With $s/W$ the first step does nothing, with $(s+1)/W$ the peak comes a step early.
# Neither would ever show in a loss. It shows when you compare two frameworks digit by digit, and lose an afternoon.
#
# ## More than fits at once
#
# A large batch gives a steadier gradient, and may not fit. But the loss is a mean over tokens, and a mean can be gathered
# in pieces. Let micro-batch $j$ have $n_j$ targets and the mean loss $\ell_j$. The mean over all of them together is
#
# $$\ell = \sum_j \frac{n_j}{n}\,\ell_j, \qquad n = \sum_j n_j$$
#
# and the gradient of a sum is the sum of the gradients, which is what `backward` does by itself: it *adds* to `.grad`. Each
# piece's graph is given back by its own `backward` before the next is built; that is the whole point.
#
# **Predict.** Two micro-batches, one with 90 targets and one with 10. By what is each loss multiplied? How wrong is it to
# take half of each?


# %% nbgrader={"grade_id": "accumulate", "solution": true}
def accumulate(model, micro_batches):
    """Add the gradient of the mean loss over all targets together to .grad, one micro-batch at a time; return that loss.

    What lies in .grad before stays, and is neither cleared nor scaled.
    micro_batches  a list of pairs (x, y). They may differ in size, and targets of -1 are none: they count nowhere.
    `model(x, y)` returns logits and the mean loss over this micro-batch's targets, of which there is at least one.
    No micro-batch's graph may be alive when the next one's is built. The loss comes back without a graph, as a tensor of
    no axes: to read it as a float would make a GPU wait.
    """
    ### BEGIN SOLUTION
    total = sum((y != -1).sum() for _, y in micro_batches)
    mean = 0.0
    for x, y in micro_batches:
        share = model(x, y)[1] * ((y != -1).sum() / total)
        share.backward()
        mean = mean + share.detach()
    return mean
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-accumulate", "grade": true, "points": 3}
check("accumulate")

# %% [markdown]
# ## One step
#
# The rate goes into every group of the optimizer, old gradients go out, new ones are gathered. Then one look at their size as a
# whole: all gradients together are one long vector $g$. If it is longer than $c$, it is shortened to length $c$; its
# direction stays.
#
# $$g \leftarrow g \cdot \min\left(1, \frac{c}{\lVert g \rVert}\right)$$
#
# One line in the middle is given. With several processes, each has its own gradients by then, and `synchronise` makes them
# all the same: the mean over processes. It has to stand after the gathering and before the clipping.
#
# **Predict.** The norm *before* clipping is returned, to be watched. Why that, and not the norm after it?


# %% nbgrader={"grade_id": "train_step", "solution": true}
def train_step(model, optimizer, micro_batches, rate, clip, synchronise=None):
    """One step of training; return the mean loss, and the norm of the whole gradient before it was clipped.

    Sets `lr` of all optimizer.param_groups to rate, gathers the gradient of these micro-batches alone, clips it to the
    norm `clip`, and steps. A parameter whose .grad is None has no part in it. Both results as tensors of no axes.
    You may use nn.utils.clip_grad_norm_.
    """
    ### BEGIN SOLUTION step
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss = accumulate(model, micro_batches)
    ### END SOLUTION
    if synchronise is not None:
        synchronise(model)
    ### BEGIN SOLUTION step
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss, norm
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-step", "grade": true, "points": 3}
check("step")

# %% [markdown]
# ## How good it is
#
# The training loss is noisy, and it is measured on what was learnt. So now and then the loss is averaged over batches that were
# held out. The model has to be in eval mode for that, or dropout blurs it; and afterwards in whatever mode it was in before.
# A run that forgets the way back trains on without dropout, and nothing looks odd for hours.


# %% nbgrader={"grade_id": "estimate_loss", "solution": true}
def estimate_loss(model, batches):
    """Mean loss over a list of batches (x, y) with equally many targets each, in eval mode and without graphs: a float.

    Afterwards the model is in the mode that it was in before, be it training or eval, and torch records graphs as before.
    """
    ### BEGIN SOLUTION evaluate
    was_training = model.training
    model.eval()
    with torch.no_grad():
        losses = [model(x, y)[1].item() for x, y in batches]
    model.train(was_training)
    return sum(losses) / len(losses)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-evaluate", "grade": true, "points": 2}
check("evaluate")

# %% [markdown]
# ## The first minute
#
# Before a run is left alone, ask three questions. They cost seconds, and most mistakes answer one of them wrongly.
#
# 1. **Where does the loss begin?** Knowing nothing costs $\ln V$.
# 2. **Does it use its input?** A model that sees nothing but how often each token occurs can get as low as the entropy of
#    these frequencies, and no lower:
#
# $$H = -\sum_v p_v \ln p_v, \qquad p_v = \text{share of the targets that are } v$$
#
#    A run that stays at $H$ is blind. (To see what blind looks like, train on inputs that are all 0.)
# 3. **Can it learn one batch by heart?** Any model large enough can. If the loss on one and the same batch does not go
#    to nearly 0, nothing that follows is worth the electricity.
#
# **Predict.** For the characters of this text, in nats: $\ln V$? $H$? (English letters alone have $H = 2.9$.)


# %% nbgrader={"grade_id": "rungs", "solution": true}
def rungs(targets, vocab_size):
    """The losses of knowing nothing and of knowing the frequencies: (ln V, H), both floats, in nats.

    targets  whole numbers of any shape; -1 is none, and counts nowhere. Tokens that never occur add nothing to H.
    """
    ### BEGIN SOLUTION recipe
    counts = torch.bincount(targets[targets != -1], minlength=vocab_size).double()
    p = counts[counts > 0] / counts.sum()
    return math.log(vocab_size), -(p * p.log()).sum().item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "blinded", "solution": true}
def blinded(batch):
    """The same targets, and inputs that say nothing: a pair (x, y) -> a new pair, x all 0 and still int64, y as it was."""
    ### BEGIN SOLUTION recipe
    x, y = batch
    return torch.zeros_like(x), y
    ### END SOLUTION


# %% nbgrader={"grade_id": "overfit", "solution": true}
def overfit(model, optimizer, batch, rate, steps, clip=1.0):
    """Train on one batch again and again, by train_step: the loss of each step, a list of floats."""
    ### BEGIN SOLUTION recipe
    return [float(train_step(model, optimizer, [batch], rate, clip)[0]) for _ in range(steps)]
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-recipe", "grade": true, "points": 2}
check("recipe")


# %%
def newborn(seed=0, dropout=0.0):
    """A GPT of one block for this text and its optimizer, the same for the same seed."""
    torch.manual_seed(seed)
    shape = {"n_layer": 1, "n_head": 4, "n_embd": 64}
    model = gpt.GPT(gpt.GPTConfig(32, len(alphabet), **shape, dropout=dropout, bias=False))
    return model, torch.optim.AdamW(decay_groups(model, 0.1), betas=(0.9, 0.95), fused=True)


batch = get_batch(training, 4, 32, torch.Generator().manual_seed(0))
nothing, frequencies = rungs(torch.from_numpy(held_out.astype(np.int64)), len(alphabet))
seeing, blind = (overfit(*newborn(), pair, 3e-3, 40) for pair in (batch, blinded(batch)))
fig, ax = plt.subplots(figsize=(6.5, 3.3))
ax.plot(blind, "--", color=BLUE, label="one batch, blinded")
ax.plot(seeing, color=ORANGE, label="one batch")
for height, name in ((nothing, "ln V"), (rungs(batch[1], len(alphabet))[1], "H of this batch")):
    ax.axhline(height, color=INK, linewidth=0.7, linestyle=":")
    ax.text(40, height, name, ha="right", va="bottom")
ax.set(xlabel="step", ylabel="loss", ylim=(0, nothing + 0.7))
ax.set_title("The same batch over and over")
ax.legend(loc="lower left")
plt.show()
print(f"ln V {nothing:.2f}, first loss {seeing[0]:.2f}")
print(f"after {len(seeing)} steps {seeing[-1]:.2f}, blinded {blind[-1]:.2f}")

# %% [markdown]
# The blinded model is not quite blind: all its inputs are 0, but it still knows *where* in a window it stands, and in
# one batch even that can be learnt by heart. The seeing one falls through every rung. This is a loop that learns.
#
# ## Where the time goes
#
# **Predict.** Put in order, for the model of the program that belongs to this lesson (4 blocks, 128 channels, 12 windows of 64):
# forward, backward, clipping and optimizer, the batch. How many times as long as forward should backward take? (Each
# Linear's forward is one product of matrices. Its backward needs two: one for the weight, one for what came in.)

# %%
timed_config = gpt.GPTConfig(64, 65, n_layer=4, n_head=4, n_embd=128, bias=False)


def times(fused, steps=3):
    """Median milliseconds of the four pieces of a step, by a stopwatch between them."""
    torch.manual_seed(0)
    model = gpt.GPT(timed_config)
    kind = {"fused": True} if fused else {"foreach": True}
    optimizer = torch.optim.AdamW(decay_groups(model, 0.1), lr=1e-3, **kind)
    generator, taken = torch.Generator().manual_seed(0), []
    for _ in range(steps):
        marks = [time.perf_counter()]
        x, y = (tokens % 65 for tokens in get_batch(training, 12, 64, generator))
        marks.append(time.perf_counter())
        loss = model(x, y)[1]
        marks.append(time.perf_counter())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        marks.append(time.perf_counter())
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        marks.append(time.perf_counter())
        taken.append(np.diff(marks) * 1e3)
    return np.median(taken[1:], axis=0)


def fused_attention(q, k, v, mask=None, dropout=0.0, training=False):
    """As exercise 13's, in one call that never writes the weights down; so it cannot return them."""
    causal = mask is not None and q.shape[2] == k.shape[2]
    dropped = dropout * training
    return F.scaled_dot_product_attention(q, k, v, dropout_p=dropped, is_causal=causal), None


written = times(fused=False)
with (
    patch.object(gpt.attention, "scaled_dot_product_attention", fused_attention),
    patch.object(gpt, "gelu", lambda x: F.gelu(x, approximate="tanh")),
):
    kernels = times(fused=True)

names = ["batch", "forward", "backward", "clip and optimizer"]
print(f"{'milliseconds':20}{'as written':>12}{'fused':>12}")
columns = [*names, "a step"], [*written, written.sum()], [*kernels, kernels.sum()]
for name, one, other in zip(*columns, strict=True):
    print(f"{name:20}{one:12.1f}{other:12.1f}")
fig, ax = plt.subplots(figsize=(7, 2.2))
for row, taken in enumerate((written, kernels)):
    bars = zip(taken, np.cumsum(taken) - taken, (GREEN, BLUE, ORANGE, INK), names, strict=True)
    for width, left, colour, name in bars:
        ax.barh(row, width, left=left, color=colour, label=name if row == 0 else None)
ax.set_yticks([0, 1], ["as written", "fused"])
ax.set(xlabel="milliseconds", title="One step")
ax.invert_yaxis()
ax.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.35))
plt.show()

# %% [markdown]
# Nine tenths of a step are forward and backward, and in the fused column most of that is products of matrices: the library's
# work, and nothing that you could write faster. What can be saved stands around them:
#
# - **Memory that is only passed through.** The plain attention writes scores, a mask and weights, $T \times T$ for each
#   head, and reads them again; plain `gelu` makes eight arrays where one would do. A *fused* kernel keeps such things in
#   registers. It does no less arithmetic; it moves less.
# - **Many small things.** AdamW by plain operations touches each parameter's tensors a dozen times; fused, once.
# - **Waiting.** On a GPU your program runs ahead and only queues work. Each `.item()` makes it wait until the queue is
#   empty. So `train_step` returns tensors, and a program reads them every tenth step.
#
# `fathom run train_gpt` does all three, on your parts where they pass. Measure before you improve: the batch, which
# everybody suspects first, is half a percent. From here on this lesson uses the fused kernels too.

# %%
gpt.attention.scaled_dot_product_attention = fused_attention
gpt.gelu = lambda x: F.gelu(x, approximate="tanh")

# %% [markdown]
#
# ## See it work
#
# Now a run as it should be: a warm-up, a cosine, 8 windows a step, and a sample of what it writes now and then.


# %%
def write(model, prompt="The ", length=28):
    """Continue a prompt, as text."""
    idx = torch.tensor([[code[character] for character in prompt]])
    tokens = model.generate(idx, length, temperature=0.7)[0].tolist()
    return "".join(alphabet[token] for token in tokens)


def train(steps, model, optimizer, pairs, peak=2e-3, watch=()):
    """Train; return the losses and, for the steps in `watch`, held-out loss and a sample."""
    losses, seen = [], {}
    fixed = [get_batch(held_out, 64, 32, torch.Generator().manual_seed(1))]
    for step in range(steps + 1):
        if step in watch:
            seen[step] = estimate_loss(model, fixed), write(model.eval())
            model.train()
        if step < steps:
            rate = learning_rate(step, peak, peak / 10, steps // 10, steps)
            losses.append(train_step(model, optimizer, [next(pairs)], rate, 1.0)[0].item())
    return losses, seen


def stream(seed, B=8, T=32):
    """Batches without end."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield get_batch(training, B, T, generator)


model, optimizer = newborn()
losses, seen = train(160, model, optimizer, stream(2), watch=(0, 25, 70, 160))
fig, ax = plt.subplots(figsize=(8.5, 3.6))
ax.plot(losses, color=BLUE, linewidth=0.8, label="training")
ax.plot(seen.keys(), [loss for loss, _ in seen.values()], "o-", color=ORANGE, label="held out")
floors = {"ln V: knows nothing": nothing, "H: knows the frequencies": frequencies}
for name, height in floors.items():
    ax.axhline(height, color=INK, linewidth=0.7, linestyle=":")
    ax.text(len(losses), height, name, ha="right", va="bottom", fontsize=8)
samples = "\n\n".join(f"after {step} steps\n{sample!r}" for step, (_, sample) in seen.items())
ax.text(1.03, 0.5, samples, transform=ax.transAxes, va="center", family="monospace", fontsize=8)
ax.set(xlabel="step", ylabel="loss", title="Loss, and what it writes")
ax.legend(loc="lower left")
fig.tight_layout()
plt.show()

# %% [markdown]
# First the noise gets the frequencies of English: spaces, many e and t. That is the rung $H$, and every language model rests on
# it for a moment. Then come pairs, then something like words.
#
# ## Going on as if nothing had happened
#
# A run of weeks ends many times: a power cut, a card that fails, an update. To *resume exactly* means that step 5,001 after a
# restart gives the same numbers as if there had been none, to the last bit. Then resuming is testable, and no strange loss
# can be blamed on it.
#
# **Predict.** Weights are not enough. List everything that the next step's outcome depends on, before you read on.
#
# - the model's parameters and buffers: `model.state_dict()`
# - the optimizer's memory, for Adam two numbers for each weight: `optimizer.state_dict()`
# - the number of steps done, for the schedule
# - **the state of every random generator**: the one that draws the batches, and torch's *default* generator, from which
#   dropout draws without being asked. A seed is not a state: it says where the stream began, not how far it has run.


# %% nbgrader={"grade_id": "snapshot", "solution": true}
def snapshot(model, optimizer, step, generators):
    """Everything that a run needs to go on exactly, as plain data: tensors, numbers, text, lists and dicts.

    A dict with the keys "model" and "optimizer", their state_dicts; "step", the number of steps done; "generators",
    name -> state for a dict name -> torch.Generator; and "default", the state of torch's default generator (of the CPU).
    """
    ### BEGIN SOLUTION resume
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "generators": {name: generator.get_state() for name, generator in generators.items()},
        "default": torch.get_rng_state(),
    }
    ### END SOLUTION


# %% nbgrader={"grade_id": "restore", "solution": true}
def restore(saved, model, optimizer, generators):
    """Put a snapshot back into a model, an optimizer and generators of the same kinds; return the number of steps done.

    The objects that are given are set, generators too: no new one takes the place of any.
    """
    ### BEGIN SOLUTION resume
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    for name, generator in generators.items():
        generator.set_state(saved["generators"][name])
    torch.set_rng_state(saved["default"])
    return saved["step"]
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-resume", "grade": true, "points": 3}
check("resume")

# %% [markdown]
# ## A file that is there or not
#
# A machine that dies while it writes leaves half a file. If that file had the name of the last checkpoint, there is none
# any more. The cure is old: write *another* file beside it, make sure that it has reached the disk, then give it the
# name. Renaming within one folder is all or nothing: whoever opens the name finds the old file or the new one, whole.
#
# "Has reached the disk" is two steps. Python keeps what you write in a buffer of its own until `file.flush()`; the
# system keeps it in memory until `os.fsync(file.fileno())`.
#
# **Predict.** What may one find under the name after a power cut, if the rename is done without the fsync?


# %% nbgrader={"grade_id": "write_whole", "solution": true}
def write_whole(path, content):
    """Make `content` (bytes) the file at `path`, so that at any moment there is the old file or the new one, whole.

    Writes a file of another name in the same folder, flushes it, calls os.fsync on it, and then os.replace. If anything of
    that raises, the exception goes on to the caller, the old file is as it was, and no other file is left behind.
    """
    ### BEGIN SOLUTION atomic
    temporary = f"{path}.part"
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-atomic", "grade": true, "points": 2}
check("atomic")


# %%
def save_checkpoint(path, *everything):
    """A snapshot in a file."""
    buffer = io.BytesIO()
    torch.save(snapshot(*everything), buffer)
    write_whole(path, buffer.getvalue())


def load_checkpoint(path, *everything):
    """A run from a file. Only plain data is read: a checkpoint must not be able to run code."""
    return restore(torch.load(path, weights_only=True), *everything)


# %% [markdown]
# Twelve steps with dropout; a checkpoint after the sixth; then a new process, played by a new model with another seed. Two
# careless ones besides: one that saves no generators, one that keeps the seed instead of the state.
#
# **Predict.** Which of the three lines lies on the first run's, and where do the others leave it?


# %%
def go_on(model, optimizer, draws, steps):
    """A few steps; the losses."""
    batches = (get_batch(training, 4, 32, draws) for _ in range(steps))
    return [train_step(model, optimizer, [batch], 3e-3, 1.0)[0].item() for batch in batches]


model, optimizer = newborn(dropout=0.2)
draws = torch.Generator().manual_seed(7)
before = go_on(model, optimizer, draws, 6)
save_checkpoint(f"{folder}/last.ckpt", model, optimizer, 6, {"draws": draws})
straight = go_on(model, optimizer, draws, 6)

resumed = {}
for kind in ("exactly", "no generators", "seed, not state"):
    model, optimizer = newborn(seed=99, dropout=0.2)
    draws = torch.Generator().manual_seed(7 if kind == "seed, not state" else 123)
    if kind == "exactly":
        load_checkpoint(f"{folder}/last.ckpt", model, optimizer, {"draws": draws})
    else:
        saved = torch.load(f"{folder}/last.ckpt", weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
    resumed[kind] = go_on(model, optimizer, draws, 6)

fig, ax = plt.subplots(figsize=(6.5, 3.2))
ax.plot(range(12), before + straight, color=INK, linewidth=4, alpha=0.25, label="never stopped")
styles = (("o-", ORANGE), ("s--", BLUE), ("^:", GREEN))
for (kind, values), (mark, colour) in zip(resumed.items(), styles, strict=True):
    ax.plot(range(6, 12), values, mark, color=colour, markersize=4, label=kind)
ax.set(xlabel="step", ylabel="loss", title="Resumed after step 5")
ax.legend()
plt.show()
print("resumed exactly:", resumed["exactly"] == straight)

# %% [markdown]
# The careless ones are not *bad*. Their losses are as good as anybody's, which is why nobody notices: "seed, not state" shows
# the model the first six batches once more. Over a run with many restarts that is a model that knows the beginning of its
# shuffled data by heart, and never saw the end.
#
# ## Watch it break
#
# **First break: the answers are the questions.** `windows` returns $x$ twice. **Predict:** draw the loss. Which rungs
# does it pass, and what does the text look like in the end?
#
# **Second break: the sum that should have been a mean.** Four micro-batches, and nobody divides. Train with
# AdamW. **Predict:** how far apart are the loss curves? And the gradient norms?


# %%
def unshifted(pairs):
    for x, _ in pairs:
        yield x, x


def careless(model, micro_batches):
    """A wrong accumulate: the sum of the losses' gradients."""
    total = 0.0
    for x, y in micro_batches:
        loss = model(x, y)[1]
        loss.backward()
        total = total + loss.detach() / len(micro_batches)
    return total


def in_pieces(gather, steps=12):
    """Losses and gradient norms of a run with four micro-batches of 2 windows, without clipping."""
    model, optimizer = newborn()
    losses, norms = [], []
    for _, (x, y) in zip(range(steps), stream(0), strict=False):
        optimizer.zero_grad()
        losses.append(gather(model, list(zip(x.split(2), y.split(2), strict=True))).item())
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), math.inf).item())
        optimizer.step()
    return losses, norms


model, optimizer = newborn()
copied, _ = train(40, model, optimizer, unshifted(stream(2)))
print("unshifted writes:", repr(write(model)))
right, wrong = in_pieces(accumulate), in_pieces(careless)

fig, axes = plt.subplots(1, 3, figsize=(10, 3))
axes[0].plot(losses[:40], color=ORANGE, label="right")
axes[0].plot(copied, "--", color=BLUE, label="unshifted")
axes[0].axhline(frequencies, color=INK, linewidth=0.7, linestyle=":")
axes[0].set(title="Answers = questions", ylabel="loss")
titles = "Not divided: the loss", "Not divided: the norm"
for ax, one, other, title in zip(axes[1:], right, wrong, titles, strict=True):
    ax.plot(one, color=ORANGE, label="right")
    ax.plot(other, "--", color=BLUE, label="not divided")
    ax.set(title=title, ylim=(0, None), xticks=range(0, 12, 2))
for ax in axes:
    ax.set_xlabel("step")
    ax.legend()
fig.tight_layout()
plt.show()

# %% [markdown]
# Unshifted, the loss falls through every floor: nobody can know English letters that well after forty steps. And the
# model only ever writes the last letter again. *A loss that is too good is the loudest alarm there is.*
#
# The second one has no alarm at all. Adam divides each gradient by its own size, so a factor of 4 cancels; the curves lie on
# each other. It is only seen in the norm before clipping, which is why `train_step` returns it. The damage comes later: a clip
# that was meant for the rare long gradient now shortens every one, and the day somebody tries SGD, the run explodes.
#
# **Third break: eval, and no way back.** One batch, dropout of 0.5, an evaluation after 12 steps. One run returns to training
# mode, the other stays in eval. **Predict:** which training loss is *lower* from then on? Which of the two would
# you have reported as the better run?

# %%
model, optimizer = newborn(dropout=0.5)
before = overfit(model, optimizer, batch, 3e-3, 12)
save_checkpoint(f"{folder}/broken.ckpt", model, optimizer, 12, {})

fig, ax = plt.subplots(figsize=(6.5, 3))
ways = ((True, "-", ORANGE, "back to training"), (False, "--", BLUE, "stays in eval"))
for way_back, line, colour, name in ways:
    load_checkpoint(f"{folder}/broken.ckpt", model, optimizer, {})
    estimate_loss(model, [next(stream(1))])
    model.train(way_back)
    after = overfit(model, optimizer, batch, 3e-3, 15)
    ax.plot(before + after, line, color=colour, label=name)
ax.axvline(11.5, color=INK, linewidth=0.7, linestyle=":")
ax.set(xlabel="step", ylabel="training loss", title="An evaluation after 12 steps")
ax.legend()
plt.show()

# %% [markdown]
# ## What will it cost?
#
# Each weight of a matrix takes part in one multiplication and one addition for each token: 2 operations forward. Backward
# is twice that. So a token costs $6N$, and a run of $D$ tokens
#
# $$\text{operations} \approx 6\,N\,D$$
#
# Three details. The position table is only looked up, never multiplied with: leave its weights out of $N$. The token table
# is looked up too, but as the head it *is* a matrix that multiplies, so it stays in, once. And attention multiplies
# without weights: scores and mixture take $2 \cdot 2TC$ operations a token and block forward, three times that with
# backward (masked places counted too, as is the custom):
#
# $$\text{operations per token} = 6\,N + 12\,L\,C\,T$$
#
# **Predict.** GPT-2, $N = 124$ million, trained on 300 billion tokens by eight cards that can do $312 \cdot 10^{12}$
# operations a second and are used at 40%. Hours, days or weeks?


# %% nbgrader={"grade_id": "flops_per_token", "solution": true}
def flops_per_token(config):
    """Operations to train on one token, by the formula above: GPTConfig -> int. T is config.block_size."""
    ### BEGIN SOLUTION budget
    N = gpt.count_parameters(config) - config.block_size * config.n_embd
    return 6 * N + 12 * config.n_layer * config.n_embd * config.block_size
    ### END SOLUTION


# %% nbgrader={"grade_id": "training_days", "solution": true}
def training_days(config, tokens, peak, utilisation):
    """How many days a run takes: GPTConfig and numbers -> float.

    tokens       D, how many the model is trained on
    peak         operations a second that the machines could do together
    utilisation  the share of that which they do, between 0 and 1
    """
    ### BEGIN SOLUTION budget
    return flops_per_token(config) * tokens / (peak * utilisation) / 86400
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-budget", "grade": true, "points": 2}
check("budget")

# %%
cards = training_days(gpt.GPTConfig(), 300e9, 8 * 312e12, 0.4)
print(f"GPT-2, 300 billion tokens, eight A100 at 40%: {cards:.1f} days")
rate = 12 * 64 / (1e-3 * kernels.sum())
yours = rate * flops_per_token(timed_config)
print(f"the fused step above: {rate:,.0f} tokens, {yours / 1e9:.0f} billion operations a second on one thread")
print(f"the same run on it: {training_days(gpt.GPTConfig(), 300e9, yours, 1.0) / 365:,.0f} years")

# %% [markdown]
# The second number is how one reads a machine: not "the card is 97% busy" (busy waiting counts), but *operations that the model
# needed* over *operations the card could have done*. A third to a half is good.
#
# And how many tokens should one take? Hoffmann and others asked which split of a fixed $6ND$ gives the lowest loss, and
# found $D \approx 20\,N$. GPT-2's 124 million would have wanted 2.5 billion tokens; it got a hundred times that, because a model
# that is used much is worth training past the cheapest point.
#
# ## The program
#
# `fathom run train_gpt --help` starts from your parts what this lesson has built: mapped data, several processes (`torchrun`),
# checkpoints that survive `kill -9`, exact resume, samples. On tiny Shakespeare, if you fetch it (`fathom data fetch
# tiny_shakespeare`), its default model goes from 4.17 to 2.30 in 500 steps and to 1.89 in 2,000. Kill it at a bad moment.
#
# ## An open experiment
#
# How large a batch is worth having? Take the model above at some point of its training, and compute the gradient of many
# single windows. Up to which $B$ does the mean of $B$ of them point more and more the same way (compare two
# disjoint means by their cosine), and from where on is a larger batch wasted? McCandlish and others call that point the
# *gradient noise scale*. Is it the same at step 20 and at step 160?

# %%
# your experiment

# %% [markdown]
# ## In your own words
#
# What do you know now that you did not this morning? One or two sentences, as you would tell a colleague. For example:
# "A loss curve proves very little. What proves a training loop are equalities: pieces equal the whole, resumed equals
# never stopped, and the first loss equals ln V."

# %%
words = ""
if words:
    aha(words)
