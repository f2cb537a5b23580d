# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 37
#     title: Depth exam
#     question: "The loss falls and the model is wrong: which questions put to it from outside say what is wrong, before anybody reads the code?"
#     hours: 5
#     track: core
#     week: 24
#     needs: [attention, transformer, gpt]
#     sources:
#       - "Andrej Karpathy: A Recipe for Training Neural Networks (2019), sections 2 and 3"
#       - "Vaswani et al.: Attention Is All You Need (2017), section 3.2.3, on what a decoder may see"
#       - "Ribeiro, Wu, Guestrin, Singh: Beyond Accuracy, Behavioral Testing of NLP Models with CheckList (2020)"
#       - "Hu et al.: LoRA, Low-Rank Adaptation of Large Language Models (2021), section 4.1"
#     alone: [influence, neighbours, gradient_sizes, overfits, LoRALinear]
#     from_scratch: [peft, torch.nn.utils.parametrize]
# ---

# %% [markdown]
# # The depth exam
#
# **The loss falls and the model is wrong: which questions put to it from outside say what is wrong, before anybody reads the code?**
#
# Somebody hands you a Transformer that trains. The curve goes down, nothing crashes, and what it writes is noise. You
# could read four hundred lines and hope. Or you could do what a doctor does, and take a pulse before you open anything.
# Here you build the instruments: eight short probes, each of which asks any model one question and gets a number back.
# None of them knows what the model is made of. Tokens go in, logits come out, and the question is only *what moves when
# I touch this*.
#
# Then the exam: three models with bugs from the catalogues of exercises 13 to 15, and you, with your own instruments.
# After that `fathom exam` gives you the cells themselves, against the clock.
#
# Where this bites at work:
#
# - A model beats the published result by half. It sees one word too many. Nobody looks for a bug in good news.
# - A score depends on who else is in the batch. In the test there is a batch of 64, in the service a batch of one.
# - A probe "proves" a leak that is not there: dropout was on, and every number moved by itself.
# - Two weeks of tuning, and half of the network has never had a gradient.
#
# | letter | meaning |
# |---|---|
# | $B$ | batch: rows of tokens |
# | $T$ | time: tokens in a row |
# | $V$ | vocabulary: tokens are $0 … V - 1$ |
# | $t$, $s$ | the position that answers, the position that was touched |
# | $r$, $\alpha$ | rank and strength of an adapter |
#
# A **model** here is anything that one calls with tokens `(B, T)`, int64, and that returns logits `(B, T, V)`: an
# `nn.Module` or a plain function.

# %%
from autograder import aha, check, hint, palette  # first: its judge warms up while the rest is imported

import copy
import math
import statistics

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import LinearSegmentedColormap
from torch import nn
from torch.nn import functional as F

INK, BLUE, ORANGE, GREEN, PURPLE, *_ = palette()
torch.set_num_threads(1)  # models as small as these only lose by sharing their work

# %% [markdown]
# ## A patient who holds still
#
# A probe compares two answers of one model. If the model rolls dice between them, the probe measures dice. So first of
# all: an answer without dropout, without a graph, and with the patient left as you found it. *As you found it* is the
# hard part. Some submodules may be training and others not, a frozen encoder under a new head for example; and the call
# may raise.
#
# **Predict.** After a probe somebody calls `model.train()` to put things back. Whom does that hurt?


# %% nbgrader={"grade_id": "answers", "solution": true}
def answers(model, tokens):
    """The logits of a model as it is when it is used, not trained: (B, T) -> (B, T, V).

    An nn.Module answers in evaluation mode, all its submodules too; a plain function is simply called. Meanwhile no graph
    is recorded: the logits do not require a gradient. Afterwards one is recorded or not, as before, and `training` of
    every single submodule is what it was, also where the model raised an error (which goes on to the caller). `tokens`
    and the parameters stay as they are.
    """
    ### BEGIN SOLUTION
    modes = [(each, each.training) for each in model.modules()] if isinstance(model, nn.Module) else []
    for each, _ in modes:
        each.training = False
    try:
        with torch.no_grad():
            return model(tokens)
    finally:
        for each, mode in modes:
            each.training = mode
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-answers", "grade": true, "points": 2}
check("answers")

# %% [markdown]
# ## The patients
#
# The task is a row of twelve tokens that repeats itself every four. The first four are chance, the rest can be known. A
# model must look four back: it needs the past, and it needs positions.
#
# `Tiny` is a Transformer with one layer, and with four switches that make it wrong. Each is a mistake that people make:
# the mask lets one token too many through; positions are never added; the batch axis is taken for the time axis (which
# `nn.MultiheadAttention` does unless told otherwise); the MLP's branch is detached.

# %%
V, T, PERIOD = 11, 12, 4


class Tiny(nn.Module):
    """A Transformer of one layer, (B, T) -> (B, T, V); `wrong` is None or one of the four mistakes."""

    def __init__(self, wrong=None, C=32, dropout=0.1):
        super().__init__()
        self.wrong, self.dropout = wrong, nn.Dropout(dropout)
        self.token, self.position = nn.Embedding(V, C), nn.Embedding(T, C)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(C), nn.LayerNorm(C), nn.LayerNorm(C)
        self.qkv, self.out = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.mlp = nn.Sequential(nn.Linear(C, 2 * C), nn.ReLU(), nn.Linear(2 * C, C))
        self.head = nn.Linear(C, V)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, 0.0, 0.1)

    def attend(self, x):
        if self.wrong == "batch for time":
            x = x.transpose(0, 1)
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril(1 if self.wrong == "one too many" else 0)
        y = self.out(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
        return y.transpose(0, 1) if self.wrong == "batch for time" else y

    def forward(self, tokens):
        x = self.token(tokens)
        if self.wrong != "no positions":
            x = x + self.position(torch.arange(tokens.shape[1]))
        x = x + self.dropout(self.attend(self.norm1(x)))
        thought = self.mlp(self.norm2(x))
        x = x + self.dropout(thought.detach() if self.wrong == "detached" else thought)
        return self.head(self.norm3(x))


def rows(B, seed):
    """B rows that repeat every PERIOD tokens, and their targets, one further on: twice (B, T)."""
    start = torch.randint(V, (B, PERIOD), generator=torch.Generator().manual_seed(seed))
    whole = start.repeat(1, T // PERIOD + 1)[:, : T + 1]
    return whole[:, :-1], whole[:, 1:]


def loss_of(model, tokens, targets):
    return F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())


def trained(wrong=None, steps=60):
    """A Tiny, always from the same weights, and its losses."""
    torch.manual_seed(0)
    model, losses = Tiny(wrong), []
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.9, 0.99))
    for step in range(steps):
        loss = loss_of(model, *rows(32, step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


MISTAKES = ("one too many", "no positions", "batch for time", "detached")
patients = {wrong or "right": trained(wrong) for wrong in (None, *MISTAKES)}
styles = dict(
    zip(patients, ((ORANGE, "-"), (BLUE, "--"), (GREEN, "-."), (PURPLE, ":"), (INK, (0, (1, 3)))), strict=True)
)

# %% [markdown]
# **Predict.** Five models, five loss curves. Three of the twelve targets of a row cannot be known, which leaves an honest
# model a loss of about $\tfrac{3}{12} \ln 11 = 0.60$. Which of the five curves would make you look twice?

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.5))
for name, (_, losses) in patients.items():
    colour, line = styles[name]
    ax.plot(torch.tensor(losses).unfold(0, 10, 1).mean(1), linestyle=line, color=colour, label=name)
ax.axhline(0.25 * math.log(V), color=INK, linewidth=0.6)
ax.text(32, 0.47, "what can be known", fontsize=8)
ax.set(xlabel="step", ylabel="loss, mean of 10 steps", ylim=(0, 2.6), title="Five models that train")
ax.legend(loc="center right")
plt.show()

# %% [markdown]
# The best curve belongs to the worst mistake. The one without positions goes down, only less far: "it needs a larger
# model", somebody will say. One does not learn at all, and the curve does not say why. And the detached one cannot be told
# from the right one. (Neither of the two has reached the line yet; longer training would take them there, one after the
# other.) A loss is one number; these are four different questions.
#
# ## Does it look ahead?
#
# Touch one token, and see which answers move. Do that for every token, and you have a map of who reads whom:
#
# $$M_{ts} = \max_{b,\,v}\;\bigl|\,\text{logits}(x')_{btv} - \text{logits}(x)_{btv}\bigr|,
# \qquad x' = x \text{ with every row's token at } s \text{ replaced by the next number}$$
#
# Row $t$ answers, column $s$ was touched. In a causal model nothing moves above the diagonal.
#
# How large must a number be to count? A newborn model with weights of 0.02 has logits of a hundredth, a trained one of
# twenty; rounding makes differences of a millionth of either. So "moved" is measured against the map's own largest entry.


# %% nbgrader={"grade_id": "influence", "solution": true}
def influence(model, tokens):
    """How far each token moves each answer: (B, T) -> (T, T), row t answers, column s was touched.

    To touch s, replace the token at position s alone, in all rows at once, by the next number: V - 1 becomes 0. V is the
    last axis of the logits. Entry (t, s) is the largest absolute change of a logit at position t, over all rows and all
    of the vocabulary. The model is asked through `answers`; `tokens` stay as they are.
    """
    ### BEGIN SOLUTION ahead
    before = answers(model, tokens)  # (B, T, V)
    columns = []
    for s in range(tokens.shape[1]):
        touched = tokens.clone()
        touched[:, s] = (tokens[:, s] + 1) % before.shape[-1]
        columns.append((answers(model, touched) - before).abs().amax(dim=(0, 2)))  # (T,)
    return torch.stack(columns, dim=1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "sees_ahead", "solution": true}
def sees_ahead(moved):
    """How many positions ahead a model looks: its map (T, T) -> int, the largest s - t that counts, or 0.

    An entry counts where it is more than 1e-4 times the map's largest entry. A causal model has 0; so has a map of zeros.
    `moved` stays as it is.
    """
    ### BEGIN SOLUTION ahead
    t, s = (moved > 1e-4 * moved.max()).nonzero(as_tuple=True)
    return max([0, *(s - t).tolist()])
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-ahead", "grade": true, "points": 3}
check("ahead")

# %% [markdown]
# **Predict.** Draw the maps of four of the patients before you run the cell. What does the one look like that takes the
# batch for the time? And the right one: where, besides the diagonal, will it be brightest?

# %%
tokens, targets = rows(8, 1000)
fade = LinearSegmentedColormap.from_list("fade", [ORANGE + "00", ORANGE])


def draw_maps(maps, title):
    """Maps side by side, each on its own scale; what is above the diagonal stands over the line."""
    fig, axes = plt.subplots(1, len(maps), figsize=(2.6 * len(maps), 3.2))
    for ax, (name, moved) in zip(axes, maps.items(), strict=True):
        ax.imshow(moved / moved.max(), cmap=fade, vmin=0, vmax=1)
        ax.plot([-0.5, T - 0.5], [-0.5, T - 0.5], color=INK, linewidth=0.6)
        ax.set(title=name, xlabel="touched", xticks=range(0, T, 4), yticks=range(0, T, 4))
        ax.spines[:].set_visible(True)
        print(f"{name:15} sees {sees_ahead(moved):2} ahead")
    axes[0].set_ylabel("answers")
    fig.suptitle(title)
    plt.show()


maps = {name: influence(patients[name][0], tokens) for name in ("right", *MISTAKES[:3])}
draw_maps(maps, "Who reads whom: one healthy map")

# %% [markdown]
# The right one has its bright line three below the diagonal: to say what comes at $t + 1$, look at $t - 3$. Without
# positions everything in the past is grey: a bag. And the third wrong one reads nothing but itself; where it gets its
# information from is the next question.
#
# ## Do the neighbours matter?
#
# A row's answer is its own business. Read it in its batch, read it alone, and compare.


# %% nbgrader={"grade_id": "neighbours", "solution": true}
def neighbours(model, tokens):
    """How far a row's answers depend on its batch: (B, T) -> (B,).

    Entry b is the largest absolute difference, over positions and vocabulary, between the logits of row b in the batch
    and those of the same row in a batch of one. The model is asked through `answers`.
    """
    ### BEGIN SOLUTION
    together = answers(model, tokens)  # (B, T, V)
    alone = torch.cat([answers(model, row[None]) for row in tokens])
    return (together - alone).abs().amax(dim=(1, 2))
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-neighbours", "grade": true, "points": 2}
check("neighbours")

# %% [markdown]
# ## Does the order matter?
#
# "Dog bites man" and "man bites dog" have the same words. Turn the earlier tokens round by one place, leave the last one
# where it is, and ask for the last answer again. A bag of words does not notice.
#
# **Predict.** Attention with a causal mask and without positions: is that a bag of words? With one layer? With two?


# %% nbgrader={"grade_id": "order_matters", "solution": true}
def order_matters(model, tokens):
    """How far the order of the earlier tokens moves the last answer: (B, T) -> (B,), T at least 3.

    The tokens at positions 0 … T - 2 move one place to the right, and the one at T - 2 comes to position 0; the last
    token stays. Entry b is the largest absolute change of row b's logits at the last position. The model is asked
    through `answers`.
    """
    ### BEGIN SOLUTION order
    turned = torch.cat((tokens[:, :-1].roll(1, dims=1), tokens[:, -1:]), dim=1)
    change = answers(model, turned)[:, -1] - answers(model, tokens)[:, -1]  # (B, V)
    return change.abs().amax(dim=1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-order", "grade": true, "points": 2}
check("order")

# %%
for name, (model, _) in patients.items():
    batch, order = neighbours(model, tokens).max(), order_matters(model, tokens).max()
    print(f"{name:15} moved by its neighbours {batch:7.4f}   moved by the order {order:7.4f}")

# %% [markdown]
# The first column finds one, the second two: who reads nothing but itself does not mind the order either. With one layer
# and no positions, the last answer is a bag of what came before. (With two layers it is not: the second one sees how *many*
# tokens each of the first one's vectors was mixed from. That is how a causal model can count without being told where
# it is.)
#
# ## What does a newborn know?
#
# Nothing, and it should say so: $1/V$ for every token, a loss of $\ln V$. More means that it is sure of something it cannot
# know; its weights are too large, a norm is missing, the logits were scaled twice. Less means that the answer reaches it.


# %% nbgrader={"grade_id": "surprise", "solution": true}
def surprise(model, tokens, targets):
    """By how many nats a model's loss is above that of knowing nothing, ln V: (B, T), (B, T) -> float.

    The loss is the cross-entropy of the logits against `targets`, averaged over the positions that have a target, one at
    least; -1 means that there is none. V is the last axis of the logits, not what happens to occur in `tokens` or in
    `targets`. A model that knows better than that is below 0. It is asked through `answers`; `targets` stay as they are.
    """
    ### BEGIN SOLUTION
    logits = answers(model, tokens)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)
    return loss.item() - math.log(logits.shape[-1])
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-surprise", "grade": true, "points": 2}
check("surprise")

# %%
for size in (0.02, 0.1, 0.5, 2.0):
    torch.manual_seed(1)
    newborn = Tiny()
    nn.init.normal_(newborn.head.weight, 0.0, size)
    print(f"head of size {size:4}: {surprise(newborn, tokens, targets):+.3f} nats above ln {V} = {math.log(V):.3f}")

# %% [markdown]
# ## Who hears the loss?
#
# A parameter without a gradient does not learn, and nothing in the curve says so: the others learn around it. Make a list.
# The size of a gradient is its root mean square, for a norm grows with the number of entries, and a large matrix is not a
# loud one. Use the gradient of *this* loss: what an earlier `backward` left in `.grad` is somebody else's.


# %% nbgrader={"grade_id": "gradient_sizes", "solution": true}
def gradient_sizes(model, loss):
    """The size of every parameter's gradient: nn.Module, scalar with a graph -> {name: float}.

    Only parameters that want a gradient (requires_grad), under the names and in the order of named_parameters. The size
    is the root of the mean of the squares of the entries; 0.0 where no gradient arrives. The gradient is that of `loss`
    alone, and `.grad` of every parameter, frozen or not, is afterwards what it was before. The graph of `loss` may be
    gone by then.
    """
    ### BEGIN SOLUTION gradients
    learning = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    slopes = torch.autograd.grad(loss, list(learning.values()), allow_unused=True)
    sizes = [0.0 if slope is None else slope.square().mean().sqrt().item() for slope in slopes]
    return dict(zip(learning, sizes, strict=True))
    ### END SOLUTION


# %% nbgrader={"grade_id": "silent_and_loud", "solution": true}
def silent_and_loud(sizes, many=100.0):
    """Who hears nothing, and who far too much: {name: float} -> (list of names, list of names), in the order given.

    silent  the size is 0
    loud    the size is more than `many` times the median of the sizes that are neither 0 nor infinite nor NaN,
            or is itself infinite or NaN
    """
    ### BEGIN SOLUTION gradients
    silent = [name for name, size in sizes.items() if size == 0]
    heard = [size for size in sizes.values() if 0 < size < math.inf]
    usual = statistics.median(heard) if heard else 0.0
    loud = [name for name, size in sizes.items() if not math.isfinite(size) or size > many * usual]
    return silent, loud
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-gradients", "grade": true, "points": 3}
check("gradients")

# %% [markdown]
# **Predict.** In the detached patient, which parameters are silent? Only those of the MLP, or something below it too?

# %%
fig, ax = plt.subplots(figsize=(7.5, 4.2))
for shift, name in ((-0.2, "right"), (0.2, "detached")):
    model, _ = patients[name]
    sizes = gradient_sizes(model, loss_of(model, tokens, targets))
    places = [row + shift for row in range(len(sizes))]
    ax.barh(places, sizes.values(), 0.4, color=styles[name][0], label=name)
    print(f"{name:9} silent: {', '.join(silent_and_loud(sizes)[0]) or 'nobody'}")
ax.set_yticks(range(len(sizes)), sizes, fontsize=7)
ax.set(xscale="log", xlabel="root mean square of the gradient")
ax.set_title("Empty rows never learned anything")
ax.xaxis.set_major_formatter("{x:g}")
ax.invert_yaxis()
ax.legend()
plt.show()

# %% [markdown]
# The norm in front of the MLP is silent as well: what hangs on a dead branch dies with it. The loss curve of this model
# could not be told from the right one's.
#
# ## Can it learn anything?
#
# The cheapest question of all: give it one batch, over and over. A model that is wired correctly learns a handful of
# rows by heart, in spite of anything a regulariser may say; so keep that one out of it. If it cannot, do not start
# the long run. A copy does the learning: the patient is to be examined, not taught.


# %% nbgrader={"grade_id": "overfits", "solution": true}
def overfits(model, tokens, targets, optimizer_of, steps=50):
    """The losses while a copy of a model learns one batch by heart: nn.Module, (B, T) twice -> steps + 1 floats.

    optimizer_of  makes an optimizer of an iterable of parameters, as `lambda p: torch.optim.SGD(p, 0.1)` does; it has
                  zero_grad() and step()
    The loss is the cross-entropy against `targets`, averaged over those that are not -1, one at least. losses[i] is the
    one after i steps of one optimizer, so the first belongs to the model as it came and the last to the copy as it ends.
    The copy is in evaluation mode all the time: no dropout. The model itself is not changed: weights, modes and `.grad`
    are those from before.
    """
    ### BEGIN SOLUTION
    pupil = copy.deepcopy(model).eval()
    optimizer = optimizer_of(pupil.parameters())
    losses = []
    for step in range(steps + 1):
        loss = F.cross_entropy(pupil(tokens).flatten(0, 1), targets.flatten(), ignore_index=-1)
        losses.append(loss.item())
        if step < steps:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return losses
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-overfits", "grade": true, "points": 2}
check("overfits")

# %% [markdown]
# **Predict.** Six rows, and each of the five models newborn. Nothing but learning by heart: which of them get below 0.01 nats in
# 60 steps? Is the one among them that did not learn anything in the long run?

# %%
few = rows(6, 3)
fig, ax = plt.subplots(figsize=(6.5, 3.4))
for name in patients:
    torch.manual_seed(0)
    newborn = Tiny(None if name == "right" else name)
    curve = overfits(newborn, *few, lambda p: torch.optim.Adam(p, lr=1.5e-2, betas=(0.9, 0.99)), steps=60)
    colour, line = styles[name]
    ax.semilogy(curve, linestyle=line, color=colour, label=f"{name}: {curve[-1]:.2f}")
ax.axhline(0.01, color=INK, linewidth=0.6)
ax.set(xlabel="step", ylabel="loss on the one batch", title="By heart")
ax.yaxis.set_major_formatter("{x:g}")
ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
plt.show()

# %% [markdown]
# The two that cannot tell where things stand are left behind: with six rows they come far, which is already
# suspicious, and they never arrive. The leak and the dead branch pass. So this is a necessary test, not a sufficient
# one; it finds what cuts the inputs from the loss. No instrument finds everything: the table of all of them is the
# diagnosis.
#
# ## A patch, from blank
#
# The other half of the exam: no documentation, forty-five minutes, a fine-tune. Its heart is one layer. A trained Linear
# stays as it is, and beside it two thin matrices learn:
#
# $$y = W x + b + \frac{\alpha}{r}\, B A x, \qquad A \in \mathbb{R}^{r \times \text{in}},\; B \in \mathbb{R}^{\text{out} \times r}$$
#
# $B$ starts at zero, so on the first day nothing has changed. $A$ must not: if both were zero, which gradient would ever
# wake one of them?


# %% nbgrader={"grade_id": "lora", "solution": true}
class LoRALinear(nn.Module):
    """A frozen nn.Linear with a patch of rank r beside it: (…, in) -> (…, out)."""

    def __init__(self, base, r, alpha):
        """Keep `base` (an nn.Linear of float32, with or without a bias) under this name, itself, no copy, all of it frozen.

        A  parameter (r, in), normal with mean 0 and standard deviation 1 / sqrt(in)
        B  parameter (out, r), zeros
        """
        super().__init__()
        ### BEGIN SOLUTION
        self.base = base.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(r, base.in_features) / math.sqrt(base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, r))
        self.strength = alpha / r
        ### END SOLUTION

    def forward(self, x):
        """The base's answer plus alpha / r times the patch's, by the formula above; x gets its gradient from both."""
        ### BEGIN SOLUTION
        return self.base(x) + self.strength * (x @ self.A.T) @ self.B.T
        ### END SOLUTION

    def merged(self):
        """A new nn.Linear that gives the same answers by itself; base, A and B stay as they are.

        It has a bias where the base has one, and shares no memory with the base. Whether it is frozen is up to you.
        """
        ### BEGIN SOLUTION
        linear = copy.deepcopy(self.base)
        with torch.no_grad():
            linear.weight += self.strength * self.B @ self.A
        return linear
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-lora", "grade": true, "points": 3}
check("lora")

# %% [markdown]
# Now put your instruments on your own patch. The right patient learned a period of four; a customer has a period of three.
#
# **Predict.** With patches in `qkv`, `out` and both Linears of the MLP, which parameters are silent in the first step? And
# how many numbers learn, of how many?

# %%
torch.manual_seed(2)
tuned = copy.deepcopy(patients["right"][0])
for parameter in tuned.parameters():
    parameter.requires_grad_(False)
tuned.qkv, tuned.out = LoRALinear(tuned.qkv, 4, 8), LoRALinear(tuned.out, 4, 8)
tuned.mlp[0], tuned.mlp[2] = LoRALinear(tuned.mlp[0], 4, 8), LoRALinear(tuned.mlp[2], 4, 8)

start = torch.randint(V, (100, 16, 3), generator=torch.Generator().manual_seed(5))
start = start.repeat(1, 1, 5)
first = loss_of(tuned, start[0, :, :12], start[0, :, 1:13])
print("silent at first:", ", ".join(silent_and_loud(gradient_sizes(tuned, first))[0]))
learning = [parameter for parameter in tuned.parameters() if parameter.requires_grad]
every = sum(p.numel() for p in tuned.parameters())
print(f"{sum(p.numel() for p in learning):,} of {every:,} numbers learn")
optimizer, curve = torch.optim.Adam(learning, lr=1.5e-2, betas=(0.9, 0.99)), []
for whole in start:
    loss = loss_of(tuned, whole[:, :12], whole[:, 1:13])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    curve.append(loss.item())
print(f"period of three: {curve[0]:.2f} at first, {statistics.mean(curve[-20:]):.2f} in the end")
asked = start[0, :8, :12]
maps = {"before": influence(patients["right"][0], asked), "after": influence(tuned, asked)}
draw_maps(maps, "What the patch has moved")

# %% [markdown]
# All the $A$ are silent in the first step, and rightly so: their gradient is multiplied by $B$, which is zero. An instrument
# gives a reading; what it means you have to know.
#
# ## Watch it break: the instruments
#
# An instrument that is off is worse than none, for one believes it. Here are two that somebody might have written.
#
# **First: the patient does not hold still.** The same map of the same right model, asked in training mode.
#
# **Second: a threshold of 0.001, whatever the model.** A newborn with weights of a hundredth, whose mask lets one token too
# many through.
#
# **Predict.** What do the two report?


# %%
def restless(model, tokens):
    """A wrong influence: it asks a model that is still training."""
    model.train()
    with torch.no_grad():
        before = model(tokens)
        columns = []
        for s in range(tokens.shape[1]):
            touched = tokens.clone()
            touched[:, s] = (tokens[:, s] + 1) % V
            columns.append((model(touched) - before).abs().amax(dim=(0, 2)))
    return torch.stack(columns, dim=1)


right, _ = patients["right"]
draw_maps({"yours": influence(right, tokens), "restless": restless(right, tokens)}, "One right model, two instruments")

torch.manual_seed(0)
quiet = Tiny("one too many")
with torch.no_grad():
    for parameter in quiet.parameters():
        parameter.mul_(0.05)
moved = influence(quiet, tokens)
t, s = (moved > 1e-3).nonzero(as_tuple=True)
theirs = max([0, *(s - t).tolist()])
print(f"largest change {moved.max():.0e}; a threshold of 0.001 says: sees {theirs} ahead; yours: {sees_ahead(moved)}")

# %% [markdown]
# The first one finds a leak in a healthy model and sends a team searching for a week. The second one passes a sick one.
#
# ## The exam
#
# Three models with bugs from the catalogues of your own exercises 13 to 15, drawn by `seed`: newborn, with one layer.
# Beside them a right one of each kind. Write down for each what is wrong, and how you know. Then set `solved = True`.
#
# Two readings come along that need no function: whether the same question twice gets the same answer, and the number of
# parameters.

# %%
from autograder.practice.failing import failing

seed = 8


def as_gpt(attention_bug=None, gpt_bug=None):
    """A small GPT as a model of tokens, with a bug in it or in the attention that it carries."""
    lesson = failing("gpt", *([gpt_bug] if gpt_bug else []))
    if attention_bug:
        lesson.attention = failing("attention", attention_bug)
    torch.manual_seed(3)
    whole = lesson.GPT(lesson.GPTConfig(block_size=T, vocab_size=V, n_layer=1, n_head=2, n_embd=16, dropout=0.2))
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.mul_(5.0 if parameter.ndim == 2 else 1.0)  # louder than at birth, so that readings are not tiny
    return Logits(whole, lambda model, tokens: model(tokens)[0])


def as_transformer(bug=None):
    """A small decoder with an encoder that always reads the same, as a model of tokens (0, 1 and 2 are left out)."""
    lesson = failing("transformer", *([bug] if bug else []))
    torch.manual_seed(3)
    whole = lesson.Transformer(V + 3, C=16, H=2, W=32, encoders=1, decoders=1, dropout=0.2)
    source = torch.arange(3, 9)[None]
    return Logits(whole, lambda model, tokens: model(source.expand(len(tokens), -1), tokens + 3)[..., 3:])


class Logits(nn.Module):
    """A model whose forward is a function of another one and the tokens."""

    def __init__(self, whole, ask):
        super().__init__()
        self.whole, self.ask = whole, ask

    def forward(self, tokens):
        return self.ask(self.whole, tokens)


CASES = {
    "attention one-word-too-many": lambda: as_gpt(attention_bug="one-word-too-many"),
    "attention masked-after-softmax": lambda: as_gpt(attention_bug="masked-after-softmax"),
    "gpt no-positions": lambda: as_gpt(gpt_bug="no-positions"),
    "gpt dropped-in-eval": lambda: as_gpt(gpt_bug="dropped-in-eval"),
    "gpt untied-head": lambda: as_gpt(gpt_bug="untied-head"),
    "gpt last-norm-forgotten": lambda: as_gpt(gpt_bug="last-norm-forgotten"),
    "transformer no-positions": lambda: as_transformer("no-positions"),
    "transformer decoder-sees-ahead": lambda: as_transformer("decoder-sees-ahead"),
}


def reading(model):
    """What all the instruments say of one model."""
    silent, loud = silent_and_loud(gradient_sizes(model, loss_of(model, tokens, targets)))
    return {
        "the same twice": (answers(model, tokens) - answers(model, tokens)).abs().max().item(),
        "sees ahead": sees_ahead(influence(model, tokens)),
        "neighbours": neighbours(model, tokens).max().item(),
        "order": order_matters(model, tokens).max().item(),
        "surprise": surprise(model, tokens, targets),
        "silent": len(silent),
        "loud": len(loud),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


drawn = torch.randperm(len(CASES), generator=torch.Generator().manual_seed(seed))[:3].tolist()
names = [list(CASES)[place] for place in drawn]
table = {"right GPT": reading(as_gpt()), "right decoder": reading(as_transformer())}
table |= {f"patient {number}": reading(CASES[name]()) for number, name in enumerate(names, 1)}
print(" " * 15 + "".join(f"{title:>15}" for title in table))
for row in table["right GPT"]:
    print(
        f"{row:15}"
        + "".join(
            f"{column[row]:15.4f}" if isinstance(column[row], float) else f"{column[row]:15}"
            for column in table.values()
        )
    )

# %%
solved = False
if solved:
    for number, name in enumerate(names, 1):
        print(f"patient {number}: {name}")

# %% [markdown]
# Now for the real one. `fathom exam` gives you failing models with one, two and three bugs at once, no hints, forty-five
# minutes for the three, and then a fine-tune from blank. You may take your instruments with you: every file has room
# for them.
#
# ## An open experiment
#
# A bug that none of these instruments sees: the heads of attention are cut so that channels are interleaved
# (`heads-interleaved` of exercise 13). The model is a different function, and trains as well. What would you have to know
# of a model to find that from outside? Try the instruments on it, and then invent one more.

# %%
# your experiment

# %% [markdown]
# ## In your own words
#
# What do you know now that you did not this morning? One or two sentences, as you would tell a colleague. For example:
# "A loss is one number, and a model can be wrong in many directions: I ask what moves when I touch something, and I make sure
# first that nothing moves when I touch nothing."

# %%
words = ""
if words:
    aha(words)
