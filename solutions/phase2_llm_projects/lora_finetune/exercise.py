# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 21
#     title: LoRA
#     question: "A model has 175 billion weights and you have one graphics card: how few numbers have to change before it can do something new?"
#     hours: 5
#     track: core
#     week: 12
#     needs: [gpt]
#     sources:
#       - "Hu et al.: LoRA, Low-Rank Adaptation of Large Language Models (2021), section 4: the layer; section 7: which rank"
#       - "Aghajanyan et al.: Intrinsic Dimensionality Explains the Effectiveness of Language Model Fine-Tuning (2020)"
#       - "Biderman et al.: LoRA Learns Less and Forgets Less (2024)"
#       - "Eckart, Young: The approximation of one matrix by another of lower rank (1936)"
#       - "Kalajdzievski: A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA (2023): what else the scale could be"
#     alone: [LoRALinear.forward, inject, LoRALinear.merge]
#     from_scratch: [peft, transformers, loralib, torch.nn.utils.parametrize]
# ---

# %% [markdown]
# # LoRA
#
# **A model has 175 billion weights and you have one graphics card: how few numbers have to change before it can do
# something new?**
#
# You have trained a GPT. Now take one that somebody else has trained, and teach it your bank's commands. Fine-tuning
# all of it works, and costs three more copies of the model while it trains: gradients, and two averages of Adam's. The
# alternative changes none of its weights. Beside some of its Linears it puts a detour through a bottleneck a few
# channels wide, and trains that. What comes out is a file a hundredth the size of the model, which can be put in, taken
# out, or melted into the weights.
#
# Where this bites at work:
#
# - A fine-tuning run looks perfect, and the adapter file of 20 MB does nothing. The biases had been trained too; they
#   are not in the file.
# - A colleague doubles the rank, and the run diverges. In his code the scale did not depend on the rank.
# - The service merges the adapter at every restart of a worker. After the third restart the model is drunk.
# - The new task works. Nobody has measured the old one.
#
# | letter | meaning |
# |---|---|
# | $W$ | the weight of a Linear, `(out, in)`, as it came |
# | $r$ | the rank: the width of the bottleneck |
# | $A$, $B$ | the way in, `(r, in)`, and the way out, `(out, r)` |
# | $\alpha$ | a number that says how loud the detour is |
# | $B$, $T$ | in shapes of data: batch, time |

# %%
from autograder import aha, carry, check, hint, method, palette  # first: its judge warms up while the rest is imported

import copy
import math
import re

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

from phase2_llm_projects import bank

INK, BLUE, ORANGE, GREEN, *_ = palette()
torch.set_num_threads(1)  # models as small as these only lose by sharing their work

# %% [markdown]
# The model is the one of exercise 15: `gpt.GPT(gpt.GPTConfig(…))`, called with tokens and targets, and −1 where a target
# is none.

# %%
gpt = carry("gpt")

# %% [markdown]
# ## How many numbers?
#
# A fine-tuned Linear has the weight $W + \Delta W$. The bet of LoRA is that $\Delta W$ does not need all of its freedom,
# and may be a product of two thin matrices:
#
# $$\Delta W = \frac{\alpha}{r}\,BA, \qquad A \in \mathbb{R}^{r \times \text{in}},\; B \in \mathbb{R}^{\text{out} \times r}$$
#
# **Predict.** GPT-3 has 96 blocks, and in each of them four square Linears of 12,288 channels in its attention. Put a
# detour of rank 1 beside two of the four. How many numbers are trained: 5 million, 50 million or 500 million?


# %% nbgrader={"grade_id": "adapter_size", "solution": true}
def adapter_size(layers, r):
    """How many numbers LoRA trains: a list of (in, out), one pair for each chosen Linear, and the rank -> int."""
    ### BEGIN SOLUTION size
    return sum(r * (inside + out) for inside, out in layers)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-size", "grade": true, "points": 1}
check("size")

# %%
gpt3 = [(12288, 12288)] * (96 * 2)
print(f"GPT-3, two Linears a block, rank 1:        {adapter_size(gpt3, 1):>13,} of 175,000,000,000")
print(f"our GPT of exercise 16, c_attn, rank 4:    {adapter_size([(128, 3 * 128)] * 4, 4):>13,}")

ranks = [2**k for k in range(13)]
fig, ax = plt.subplots(figsize=(6.5, 3.2))
ax.loglog(ranks, [adapter_size([(4096, 4096)], r) for r in ranks], "o-", color=ORANGE, label="r · (in + out)")
ax.axhline(4096**2, color=BLUE, linestyle="--", label="in · out: the matrix itself")
ax.set(xlabel="rank r", ylabel="numbers", title="One Linear of 4096 channels: cheap up to a rank of 2048")
ax.legend()
plt.show()

# %% [markdown]
# ## The detour
#
# The layer holds the Linear that was there and the two matrices, and adds up both ways:
#
# $$h = \underbrace{W x + b}_{\text{base}} + \frac{\alpha}{r}\,B A\,\mathrm{drop}(x)$$
#
# Three decisions are hidden in it.
#
# **Where it starts.** The first step should begin from the model as it came, so the detour has to be silent: $BA = 0$. If
# both matrices are zero, though, look at the gradients: that of $B$ contains $A$, that of $A$ contains $B$. So $B$
# starts at zero, and $A$ at random. (The other way round is as silent. The paper's choice is the one that has settled.)
#
# **What $\alpha/r$ is for.** A wider bottleneck adds up more contributions. Dividing by $r$ keeps the change about as loud
# at every rank, so that a learning rate found at $r = 8$ still works at $r = 64$.
#
# **Where dropout stands.** On what enters the detour, before $A$. The road through $W$ is never dropped.
#
# Here is the frame. The names are contract: the checks and your files find everything by them.


# %% nbgrader={"grade_id": "lora_linear"}
class LoRALinear(nn.Module):
    """A Linear, and a detour of rank r beside it.

    base      the nn.Linear that was there
    A, B      Parameters (r, in) and (out, r)
    active    False switches the detour off
    merged    True while base.weight contains the detour
    """

    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        self.base, self.r, self.alpha = base, r, alpha
        self.A = nn.Parameter(base.weight.new_empty(r, base.in_features))
        self.B = nn.Parameter(base.weight.new_empty(base.out_features, r))
        self.dropout = nn.Dropout(dropout)
        self.active, self.merged = True, False
        self.reset()


# %% nbgrader={"grade_id": "reset", "solution": true}
@method(LoRALinear)
@torch.no_grad()
def reset(self):
    """Set A and B anew, whatever they held: A normal with mean 0 and standard deviation 1/sqrt(in), B zero."""
    ### BEGIN SOLUTION layer
    nn.init.normal_(self.A, mean=0.0, std=self.base.in_features**-0.5)
    nn.init.zeros_(self.B)
    ### END SOLUTION


# %% nbgrader={"grade_id": "update", "solution": true}
@method(LoRALinear)
def update(self):
    """What the detour adds to the weight, alpha / r times B A: a tensor of W's shape, (out, in)."""
    ### BEGIN SOLUTION layer
    return self.alpha / self.r * (self.B @ self.A)
    ### END SOLUTION


# %% [markdown]
# `forward` does not build that matrix. With $r$ channels in the middle, two thin products cost far less than a full one.


# %% nbgrader={"grade_id": "lora_forward", "solution": true}
@method(LoRALinear)
def forward(self, x):
    """(…, in) -> (…, out): the base, plus alpha / r times B A drop(x).

    The base gets x itself; self.dropout is applied to what goes into A, and nowhere else. Where the detour is switched
    off (not active), or merged into the base's weight already, the base alone answers. Gradients reach x by both ways:
    layers further down learn from them.
    """
    ### BEGIN SOLUTION layer
    if self.merged or not self.active:
        return self.base(x)
    narrow = F.linear(self.dropout(x), self.A)  # (…, r)
    return self.base(x) + self.alpha / self.r * F.linear(narrow, self.B)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-layer", "grade": true, "points": 3}
check("layer")

# %% [markdown]
# **Predict.** In the first step $B$ is zero. Which of the two matrices gets a gradient that is not zero? And in the second?

# %%
torch.manual_seed(0)
layer = LoRALinear(nn.Linear(64, 48), r=4, alpha=8)
x, wanted = torch.randn(256, 64), torch.randn(256, 48)
for step in range(3):
    layer.zero_grad()
    F.mse_loss(layer(x), wanted).backward()
    print(f"step {step}: gradient of A {layer.A.grad.norm():.5f}, of B {layer.B.grad.norm():.5f}")
    with torch.no_grad():
        for p in (layer.A, layer.B):
            p -= 5.0 * p.grad

# %% [markdown]
# ## Into a model
#
# Nobody rewrites a model for this. The layer goes where the Linear was, under the same name, and the model does not
# notice. Everything else is frozen: all weights, all biases, all norms, the token table.
#
# Linears are chosen by the end of their dotted name, in whole words. In a GPT, `"c_attn"` chooses
# `transformer.h.0.attn.c_attn` and its like; `"c_proj"` chooses two in each block; `"attn.c_proj"` only the attention's.
#
# **Predict.** `"proj"` would match nothing in this model. What would it match if one compared the last letters?


# %% nbgrader={"grade_id": "inject", "solution": true}
def inject(model, names, r, alpha, dropout=0.0):
    """Freeze a model, and put a LoRALinear in the place of each chosen nn.Linear; return them as {full name: adapter}.

    names   the chosen are the Linears whose dotted name is one of these, or ends in a dot and one of these. What has
            such a name and is no nn.Linear stays as it is.
    The order is that of model.named_modules(). Afterwards only the adapters' A and B require gradients. Raises
    ValueError if there is no Linear to choose; a name that chooses none, beside others that do, is no error.
    """
    ### BEGIN SOLUTION
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    adapters = {}
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and any(f".{name}".endswith(f".{chosen}") for chosen in names):
            parent, _, attribute = name.rpartition(".")
            adapters[name] = LoRALinear(module, r, alpha, dropout)
            setattr(model.get_submodule(parent), attribute, adapters[name])
    if not adapters:
        raise ValueError(f"no Linear is called {', '.join(names)}")
    return adapters
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-inject", "grade": true, "points": 3}
check("inject")

# %%
torch.manual_seed(0)
model = gpt.GPT(gpt.GPTConfig(block_size=64, vocab_size=65, n_layer=4, n_head=4, n_embd=128))
everything = sum(p.numel() for p in model.parameters())
inject(model, ["c_attn"], r=4, alpha=8)
learns = sum(p.numel() for p in model.parameters() if p.requires_grad)
print(f"{learns:,} of {everything:,} numbers learn: {learns / everything:.1%}")
print(model.transformer.h[0].attn)

# %% [markdown]
# ## Melted in, and out again
#
# A detour costs time at every token. When training is over it need not: add $\frac{\alpha}{r}BA$ to $W$ once, and the layer
# is a plain Linear again. Subtract it, and the model is what it was, up to the last digits of a float.
#
# It happens in place, in the weight that the base has: somebody else may hold the same Parameter. And since adding is
# no switch, somebody has to remember whether it has been done.


# %% nbgrader={"grade_id": "merge", "solution": true}
@method(LoRALinear)
@torch.no_grad()
def merge(self):
    """Add update() to base.weight, in place, and note it in self.merged. Nothing happens if it is merged already.

    In place: in the memory that the weight has. Whether the detour is active makes no difference.
    """
    ### BEGIN SOLUTION
    if not self.merged:
        self.base.weight += self.update()
        self.merged = True
    ### END SOLUTION


# %% nbgrader={"grade_id": "unmerge", "solution": true}
@method(LoRALinear)
@torch.no_grad()
def unmerge(self):
    """Take update() out of base.weight again, in place. Nothing happens if it is not merged."""
    ### BEGIN SOLUTION merge
    if self.merged:
        self.base.weight -= self.update()
        self.merged = False
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-merge", "grade": true, "points": 2}
check("merge")

# %% [markdown]
# ## The file
#
# What has been learned are the adapters, and only they are kept. Two matrices for each are not the whole of it: the same
# two with another $\alpha$ are another model, so $\alpha$ goes into the file.


# %% nbgrader={"grade_id": "pack", "solution": true}
def pack(adapters):
    """What has to be kept of adapters, {full name: LoRALinear}, as one flat dict of tensors.

    "NAME.A", "NAME.B", "NAME.alpha" for each NAME, the last one a tensor of shape (). They are copies: training that
    goes on afterwards does not change them, and none of them requires a gradient.
    """
    ### BEGIN SOLUTION state
    state = {}
    for name, adapter in adapters.items():
        state[f"{name}.A"] = adapter.A.detach().clone()
        state[f"{name}.B"] = adapter.B.detach().clone()
        state[f"{name}.alpha"] = torch.tensor(float(adapter.alpha))
    return state
    ### END SOLUTION


# %% [markdown]
# **Predict.** An adapter is merged, and you load other values into it. What does `unmerge` subtract?


# %% nbgrader={"grade_id": "unpack", "solution": true}
def unpack(adapters, state):
    """Load what pack has made into adapters of the same names and shapes; alpha as a float.

    An adapter that is merged is unmerged first, and stays so. Raises KeyError, before anything is changed, if the names in
    the state are not exactly those that pack(adapters) would give: one missing, or one too many. The state stays as it
    is, and training that goes on afterwards does not change it.
    """
    ### BEGIN SOLUTION state
    if set(state) != set(pack(adapters)):
        raise KeyError(f"not the same adapters: {sorted(set(state) ^ set(pack(adapters)))}")
    with torch.no_grad():
        for name, adapter in adapters.items():
            adapter.unmerge()
            adapter.A.copy_(state[f"{name}.A"])
            adapter.B.copy_(state[f"{name}.B"])
            adapter.alpha = float(state[f"{name}.alpha"])
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-state", "grade": true, "points": 2}
check("state")

# %% [markdown]
# ## Learning to answer
#
# A training row is a request and its answer, one after the other. The model should learn to *answer*, not to write
# requests, so only tokens of the answer are targets. Remember what a target is in this GPT: `targets[t]` is the token
# that comes *after* `idx[t]`. So the first token of the answer is the target of the last token of the prompt.
#
# **Predict.** Prompt `7 8 9`, answer `4 5`, width 6, padding 0. Write down both rows before you go on.


# %% nbgrader={"grade_id": "rows", "solution": true}
def rows(pairs, T, pad):
    """Rows to learn answers from: a list of (prompt, answer) -> idx and targets, both (N, T), whole numbers.

    prompt, answer  lists of tokens, none of them empty
    idx             prompt, then answer without its last token, then `pad` up to T
    targets         at each place the token that comes next in its pair if it is one of the answer's, else -1; a token
                    of the answer may have the number `pad`, and is a target like the others
    Raises ValueError if a pair does not fit: prompt and answer, without the last token, are more than T.
    """
    ### BEGIN SOLUTION
    idx = torch.full((len(pairs), T), pad, dtype=torch.long)
    targets = torch.full((len(pairs), T), -1, dtype=torch.long)
    for row, (prompt, answer) in enumerate(pairs):
        both = torch.tensor([*prompt, *answer])
        n = len(both) - 1
        if n > T:
            raise ValueError(f"pair {row} takes {n} places of {T}")
        idx[row, :n] = both[:-1]
        targets[row, len(prompt) - 1 : n] = both[len(prompt) :]
    return idx, targets
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-rows", "grade": true, "points": 2}
check("rows")

# %% [markdown]
# ## What has been forgotten?
#
# The adapters have one more use: they can be switched off. The model as it came is still in there, so the same object tells
# the loss before and after, on the new task and on any old one.


# %% nbgrader={"grade_id": "with_and_without", "solution": true}
def with_and_without(model, adapters, batches):
    """Loss with the adapters and without: {"with": float, "without": float}.

    adapters   {full name: LoRALinear}, none of them merged; some may be switched off
    batches    a list of (idx, targets); model(idx, targets)[1] is the mean loss of one batch over its targets, those
               that are not -1. Asked for is the mean over all targets of all batches, and batches may differ in size.
    It is measured in eval mode and without gradients. Afterwards the model is in the mode that it was in, and the
    adapters are switched on, all of them, also those that were off; none is merged.
    """
    ### BEGIN SOLUTION measure
    training, losses = model.training, {}
    model.eval()
    for key, active in (("without", False), ("with", True)):
        for adapter in adapters.values():
            adapter.active = active
        total, count = 0.0, 0
        for idx, targets in batches:
            n = (targets != -1).sum().item()
            with torch.no_grad():
                total += n * model(idx, targets)[1].item()
            count += n
        losses[key] = total / count
    model.train(training)
    return losses
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-measure", "grade": true, "points": 2}
check("measure")

# %% [markdown]
# ## See it work
#
# The old task is to write the bank's runbooks, letter by letter; a very small GPT makes a beginning in a second. The new
# one: read a job and a service, and answer with the first command.

# %%
world = bank.load()
T = 40


def first_command(script):
    """A pair of texts: what is to be done, and the first two words of the command for it."""
    line = next(line for line in script.text.splitlines() if re.match(r' *run[ (]["\w]', line))
    words = re.findall(r"[\w./:-]+", line)[1:3]
    return f"{script.action.replace('_', ' ')} {script.service}\n", " ".join(words) + "\n"


found = {first_command(script) for script in world.scripts}
pairs = sorted((request, answer) for request, answer in found if len(request + answer) <= T + 1)
books = "\n\n".join(runbook.text for runbook in world.runbooks)
alphabet = sorted(set(books + "".join(a + b for a, b in pairs)))
code = {character: number for number, character in enumerate(alphabet)}


def tokens(text):
    return [code[character] for character in text]


shuffled = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0)).tolist()
chosen = [(tokens(pairs[i][0]), tokens(pairs[i][1])) for i in shuffled]
new, new_held_out = (rows(part, T, pad=code["\n"]) for part in (chosen[:-40], chosen[-40:]))


def windows(source, size, draws):
    """Windows of a text and their targets, one character further on: two (size, T)."""
    at = torch.randint(len(source) - T, (size, 1), generator=draws) + torch.arange(T)
    return source[at], source[at + 1]


data = torch.tensor(tokens(books))
old = data[: len(data) * 9 // 10]
old_held_out = windows(data[len(old) :], 48, torch.Generator().manual_seed(1))
print(f"{len(pairs)} pairs, for example {pairs[7]}")


def some_rows(size, draws):
    """Some rows of the new task: two (size, T)."""
    at = torch.randint(len(new[0]), (size,), generator=draws)
    return new[0][at], new[1][at]


def train(model, draw, steps, rate):
    """Train what may learn; return the losses."""
    draws, losses = torch.Generator().manual_seed(0), []
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=rate, betas=(0.9, 0.99))
    for _ in range(steps):
        _, loss = model(*draw(8, draws))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def held_out_loss(model, batch):
    """The loss of one batch, new_held_out or old_held_out."""
    return model(*batch)[1].item()


def exam(model):
    """Held-out loss on the new task and on the old one."""
    return held_out_loss(model, new_held_out), held_out_loss(model, old_held_out)


torch.manual_seed(0)
shape = {"block_size": T, "vocab_size": len(alphabet), "n_layer": 1, "n_head": 2, "n_embd": 48}
base = gpt.GPT(gpt.GPTConfig(**shape))
train(base, lambda size, draws: windows(old, size, draws), steps=100, rate=3e-3)
print("held out, new and old: {:.2f} and {:.2f}".format(*exam(base)))

# %% [markdown]
# **Predict.** Which will be better at the new task after 30 steps, the whole model or a rank of 4? And at the old one?

# %%
CHOSEN = ["c_attn", "c_proj", "c_fc"]
STEPS = 30
runs, results, tuned = {}, {"base": exam(base)}, {}
for r in (1, 4, 16):
    torch.manual_seed(1)
    model = copy.deepcopy(base)
    tuned[r] = model, inject(model, CHOSEN, r=r, alpha=2 * r)
    runs[f"rank {r}"] = train(model, some_rows, STEPS, rate=1e-2)
    results[f"rank {r}"] = exam(model)
full = copy.deepcopy(base)
runs["everything"] = train(full, some_rows, STEPS, rate=3e-3)
results["everything"] = exam(full)
for name, losses in results.items():
    print("{:11} new task {:.2f}   old task {:.2f}".format(name, *losses))

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.5))
fig.subplots_adjust(wspace=0.28)
styles = {"rank 1": ":", "rank 4": "-.", "rank 16": "--", "everything": "-"}
for (name, losses), colour in zip(runs.items(), (GREEN, ORANGE, BLUE, INK)):
    smooth = torch.tensor(losses).unfold(0, 8, 1).mean(-1)
    left.plot(range(8, STEPS + 1), smooth, styles[name], color=colour, label=name)
left.set(xlabel="step", ylabel="loss on the new task", title="More rank learns more")
left.legend()
for (name, (ours, theirs)), marker in zip(results.items(), "o^sDX"):
    right.plot(theirs, ours, marker, color=INK if name in ("base", "everything") else ORANGE)
    left_of_it = {"xytext": (-7, -11), "ha": "right"}
    side = left_of_it if name in ("rank 4", "everything") else {"xytext": (7, 4)}
    right.annotate(name, (theirs, ours), textcoords="offset points", color=INK, **side)
right.set(xlabel="loss on the old task", ylabel="loss on the new task")
right.set_title("… and forgets more")
right.margins(0.22, 0.15)
plt.show()

# %% [markdown]
# Nothing is free: what learns more forgets more, and the whole model does most of both. (With this few steps none of them
# writes commands that you would run. The program at the end does.) But one of the two kinds of forgetting is only on
# loan. Switch the adapters off:

# %%
model, adapters = tuned[4]
losses = with_and_without(model, adapters, [old_held_out])
print("old task:", {name: round(loss, 3) for name, loss in losses.items()})
now, before = model.transformer.h[0].mlp.c_fc.base.weight, base.transformer.h[0].mlp.c_fc.weight
print("base weights untouched:", torch.equal(now, before))

# %% [markdown]
# ## How much rank does an update have?
#
# The whole model was free to change its matrices in any direction. Did it use that freedom? Take one of its updates
# $\Delta W$ apart into its singular values, $\Delta W = U\,\mathrm{diag}(\sigma)\,V^\top$ with the largest first. The best
# approximation of rank $r$ keeps the first $r$ of them (Eckart and Young), and what is lost is the rest:
#
# $$\min_{\text{rank } r} \lVert \Delta W - M \rVert_F^2 = \sum_{i > r} \sigma_i^2$$
#
# That makes an adapter out of any finished fine-tuning, without training: take the difference, cut it, and store two thin
# matrices. `torch.linalg.svd(delta, full_matrices=False)` gives $U$, $\sigma$ and $V^\top$.


# %% nbgrader={"grade_id": "factors", "solution": true}
def factors(delta, r, alpha):
    """A and B of an adapter for a given update: (out, in) -> (r, in) and (out, r), in that order.

    alpha / r times B A comes as near to delta as anything of rank r can, in the sum of squares. r is at most the smaller
    side of delta.
    """
    ### BEGIN SOLUTION
    U, S, Vt = torch.linalg.svd(delta, full_matrices=False)
    return Vt[:r], U[:, :r] * S[:r] * (r / alpha)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-factors", "grade": true, "points": 2}
check("factors")

# %% [markdown]
# **Predict.** Cut the updates of the whole model to rank $r$, in all four Linears, and measure the new task again. At
# which $r$ is it as good as uncut: 2, 8, 32?


# %%
def cut(r):
    """The base with the whole model's updates cut to rank r; all else is the whole model's."""
    model = copy.deepcopy(full)
    originals = dict(base.named_modules())
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and name.endswith(tuple(CHOSEN)):
            original = originals[name].weight.detach()
            A, B = factors(module.weight.detach() - original, r, alpha=r)
            module.weight.data = original + B @ A
    return model


cuts = {r: held_out_loss(cut(r), new_held_out) for r in (1, 2, 4, 8, 16, 32)}
name = "transformer.h.0.mlp.c_fc"
whole = (full.get_submodule(name).weight - base.get_submodule(name).weight).detach()
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4))
fig.subplots_adjust(wspace=0.28)
left.semilogy(range(1, 49), torch.linalg.svdvals(whole), "-", color=INK, label="everything")
looks = zip("so^", (BLUE, ORANGE, GREEN))
for (r, (_, adapters)), (marker, colour) in zip(reversed(tuned.items()), looks):
    values = torch.linalg.svdvals(adapters[name].update().detach())[:r]
    left.semilogy(range(1, r + 1), values, marker, color=colour, label=f"rank {r}")
left.set(xlabel="number", ylabel="singular value", title="The update of one Linear")
left.legend()
right.semilogx(cuts.keys(), cuts.values(), "o-", base=2, color=ORANGE, label="cut to rank r")
right.axhline(results["everything"][0], color=INK, linestyle="--", label="uncut")
right.set(xlabel="rank r", ylabel="loss on the new task", title="What is lost by cutting")
right.legend()
plt.show()

# %% [markdown]
# It had 48 directions, and 16 of them carry nearly all that it learned: that is the bet of LoRA, seen from the other side.
# Now look at how high the points stand. The adapters' few singular values are several times larger than the whole
# model's many. One changes a little everywhere, the others much in few directions, and losses do not show the difference.
# (Shuttleworth et al., 2024, call these directions *intruders*, and find the forgetting in them.)
#
# ## Watch it break
#
# **First break: both at random.** It is the usual way to start a Linear. Here $B$ is drawn like $A$.
#
# **Predict.** The new task's loss at step 0 and at the end, against yours? And the old task's at step 0?


# %%
def broken(change, steps, r=4, alpha=8.0, rate=1e-2):
    """Losses on the new task with adapters changed by `change`, and the old task's at step 0."""
    torch.manual_seed(1)
    model = copy.deepcopy(base)
    adapters = inject(model, CHOSEN, r=r, alpha=alpha)
    with torch.no_grad():
        for adapter in adapters.values():
            change(adapter)
    start = held_out_loss(model, old_held_out)
    return train(model, some_rows, steps, rate), start


def also_b(adapter):
    """Draw B as A is drawn."""
    adapter.B.normal_(0.0, adapter.base.in_features**-0.5)


at_random, start = broken(also_b, steps=STEPS)
silent, _ = broken(lambda adapter: adapter.A.zero_(), steps=10)
fig, ax = plt.subplots(figsize=(6.5, 3.3))
ax.plot(runs["rank 4"], "-", color=ORANGE, label="yours")
ax.plot(at_random, "--", color=BLUE, label="B at random")
ax.plot(silent, ":", color=GREEN, label="A and B zero")
ax.set(xlabel="step", ylabel="loss on the new task", title="Where it starts")
ax.legend()
plt.show()
print(f"old task at step 0: yours {results['base'][1]:.2f}, B at random {start:.2f}")

# %% [markdown]
# A random $B$ has damaged what the model knew before the first step, and the curve of the new task does not tell: it comes
# down like yours. That is why the check of a start is *step 0 equals the base*, never a final loss. Both at zero is as silent
# as it should be, and for ever.
#
# **Second break: merged at every restart.** Here is a service that adds the update to the weights whenever it starts.
#
# **Predict.** The loss on the new task after one restart, two, three?

# %%
served, adapters = copy.deepcopy(tuned[4])
print(f"not merged       {held_out_loss(served, new_held_out):.3f}")
for adapter in adapters.values():
    adapter.merge()
for restart in range(1, 5):
    print(f"after restart {restart}  {held_out_loss(served, new_held_out):.3f}")
    for adapter in adapters.values():
        with torch.no_grad():
            adapter.base.weight += adapter.update()  # merge() would not

# %% [markdown]
# No error, the shapes are right, and with one restart all tests pass.
#
# **Third break: the scale upside down.** Somebody writes $r/\alpha$. At $r = \alpha$ nobody can tell.
#
# **Predict.** With $\alpha = 2r$, how much quieter does the detour become? What would you turn up to make up for it?


# %%
def turned(adapter):
    """Make the scale r / alpha."""
    adapter.alpha = adapter.r**2 / adapter.alpha


upside_down, _ = broken(turned, steps=STEPS)
yours, theirs = (sum(losses[-10:]) / 10 for losses in (runs["rank 4"], upside_down))
print(f"mean of the last ten: yours {yours:.2f}, r/alpha {theirs:.2f}")

# %% [markdown]
# The detour is quieter by a factor of four, and still Adam, which does not care about the size of gradients, makes up for
# much of it. In your own training nothing seems wrong. It shows when somebody else loads the file.
#
# ## The program
#
# `fathom run lora_finetune` does all of this at a useful size: a GPT trained on the bank's prose in a few minutes, tuned to
# write its release scripts, which must parse and are run dry in the sandbox. `--model` takes any causal model of Hugging
# Face's, a Llama or a Mistral, and `--scripts` your own folder.
#
# ## An open experiment
#
# *Which Linears?* The paper adapts the queries and values only. At the same number of trained parameters, is a rank of
# 4 everywhere better than a larger one in `attn.c_attn` alone, or in `c_fc`? And *rsLoRA* divides by $\sqrt{r}$ instead of $r$:
# at which rank do you begin to see it?

# %%
# your experiment

# %% [markdown]
# ## In your own words
#
# What do you know now that you did not this morning? One or two sentences, as you would tell a colleague. For example:
# "An adapter is a difference that has been kept apart. That is why it can be measured, sold, switched off and, if
# nobody keeps count, added twice."

# %%
words = ""
if words:
    aha(words)
