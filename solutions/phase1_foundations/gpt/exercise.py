# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 15
#     title: GPT
#     question: "What has to stand around attention before it can write, and what of its work can it keep from one token to the next?"
#     hours: 5
#     track: core
#     week: 8
#     needs: [attention]
#     sources:
#       - "Andrej Karpathy, Neural Networks: Zero to Hero, lectures 7 and 10: GPT, from scratch; reproducing GPT-2 (124M)"
#       - "Radford et al.: Language Models are Unsupervised Multitask Learners (2019), section 2.3: the changes that make it GPT-2"
#       - "Xiong et al.: On Layer Normalization in the Transformer Architecture (2020), section 3: pre-norm against post-norm"
#       - "Dong et al.: Attention is not all you need: pure attention loses rank doubly exponentially with depth (2021)"
#       - "Press, Wolf: Using the Output Embedding to Improve Language Models (2017): weight tying"
#       - "Holtzman et al.: The Curious Case of Neural Text Degeneration (2020), section 3.1: top-p"
#     alone: [CausalSelfAttention.forward, Block.forward, next_token_probabilities]
#     from_scratch:
#       - transformers
#       - torch.nn.functional.gelu
#       - torch.nn.GELU
#       - torch.nn.MultiheadAttention
#       - torch.nn.Transformer
#       - torch.nn.TransformerEncoder
#       - torch.nn.TransformerEncoderLayer
#       - torch.nn.TransformerDecoder
#       - torch.nn.TransformerDecoderLayer
# ---

# %% [markdown]
# # GPT
#
# **What has to stand around attention before it can write, and what of its work can it keep from one token to the next?**
#
# You are about to build GPT-2, the real one: with the names and the layout of its 124,439,808 weights, so that the
# published checkpoint fits in. Attention is yours already. What is missing is little: a table in front, a second
# branch beside attention, a road past both, and a way to choose a token from fifty thousand. In the end it writes
# several times faster than it did at first, and not a word different.
#
# Where this bites at work:
#
# - A checkpoint loads without a complaint, and the model writes nonsense. One square matrix lay on its side.
# - A model does well in evaluation and rambles in the service. The service has a cache, the evaluation has none, and
#   with the cache every token believes that it is the first.
# - Somebody tidies up the sampling code. The temperature is still read from the settings, and no longer does anything.
#
# | letter | meaning |
# |---|---|
# | $B$, $T$ | batch, time: how many sequences, how many tokens in each |
# | $S$ | positions so far; $S = T$ until the part on the cache |
# | $C$, $H$, $D$ | channels, heads, channels of one head: $D = C/H$ |
# | $L$ | blocks |
# | $V$ | tokens in the vocabulary |

# %%
from autograder import aha, carry, check, hint, method, palette  # first: its judge warms up while the rest is imported

import math
import time
from dataclasses import dataclass
from unittest.mock import patch

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

from autograder.datasets import python_prose

INK, BLUE, ORANGE, GREEN, *_ = palette()
torch.set_num_threads(1)  # models as small as these only lose by sharing their work

# %% [markdown]
# Exercise 13 comes along: your own functions where they pass, the reference where they do not. Needed here are
# `attention.split_heads(x, H)`, `attention.merge_heads(x)`, `attention.causal_mask(T)` (True = may look) and
# `attention.scaled_dot_product_attention(q, k, v, mask=None, dropout=0.0, training=False)`, which returns two things:
# the output and the weights.

# %%
attention = carry("attention")

# %% [markdown]
# ## Where 124 million numbers sit
#
# A GPT is named by six numbers. These are GPT-2's own, the smallest of four; the checks use other ones.


# %% nbgrader={"grade_id": "config"}
@dataclass
class GPTConfig:
    """The shape of a GPT.

    block_size  the most positions that it can look at
    dropout     share of values dropped in training, wherever something is dropped
    bias        whether Linears and LayerNorms have biases: all of them do, or none
    """

    block_size: int = 1024
    vocab_size: int = 50257
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = True


# %% [markdown]
# Here is the whole inventory. A Linear from $a$ to $b$ channels holds $ab$ weights and, if there are biases, $b$ of
# them; a LayerNorm holds $C$ weights and, if there are biases, $C$ of them.
#
# | where | what | how often |
# |---|---|---|
# | `wte` | token table, $V \times C$ | once; the head at the end *shares* it |
# | `wpe` | position table, `block_size` $\times\ C$ | once |
# | `h` | LayerNorm, Linear $C \to 3C$, Linear $C \to C$; LayerNorm, Linear $C \to 4C$, Linear $4C \to C$ | $L$ times |
# | `ln_f` | LayerNorm | once |
#
# **Predict.** Which share of the 124 million is in the token table: a twentieth, a tenth or a third? And in GPT-2 XL,
# with $L = 48$ and $C = 1600$?


# %% nbgrader={"grade_id": "count_parameters", "solution": true}
def count_parameters(config: GPTConfig):
    """How many numbers a GPT of this shape learns: GPTConfig -> int. Counted from the table above; nothing is built."""
    ### BEGIN SOLUTION
    C, bias = config.n_embd, int(config.bias)
    norm = C + bias * C
    attend = (C * 3 * C + bias * 3 * C) + (C * C + bias * C)
    think = (C * 4 * C + bias * 4 * C) + (4 * C * C + bias * C)
    tables = (config.vocab_size + config.block_size) * C
    return tables + config.n_layer * (2 * norm + attend + think) + norm
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-count_parameters", "grade": true, "points": 1}
check("count_parameters")

# %%
sizes = {"small": (12, 768), "medium": (24, 1024), "large": (36, 1280), "XL": (48, 1600)}
fig, ax = plt.subplots(figsize=(6.5, 2.9))
for row, (name, (L, C)) in enumerate(sizes.items()):
    total = count_parameters(GPTConfig(n_layer=L, n_embd=C))
    without = count_parameters(GPTConfig(n_layer=0, n_embd=C))
    table = 50257 * C
    print(f"GPT-2 {name:7} {total:13,}   token table {table / total:5.1%}   blocks {1 - without / total:5.1%}")
    ax.barh(row, table / 1e6, color=ORANGE, label="token table" if row == 0 else None)
    ax.barh(row, (total - table) / 1e6, left=table / 1e6, color=BLUE, label="everything else" if row == 0 else None)
ax.set(
    yticks=range(4),
    yticklabels=sizes,
    xlabel="million parameters",
    title="The table grows with C, the blocks with L·C²",
)
ax.invert_yaxis()
ax.legend()
plt.show()

# %% [markdown]
# The paper says 117M, 345M, 762M and 1542M. It is a slip of its authors; the checkpoints have the numbers above.
# Counting from the shape, before anything is built, is how such slips are found.
#
# ## Thinking: the MLP
#
# Attention carries things from one position to another. What is done with them there is the work of two Linears with a
# bend between them, the same for each position, and it holds two thirds of a block's weights:
#
# $$\mathrm{MLP}(x) = W_2\,\mathrm{gelu}(W_1 x + b_1) + b_2$$
#
# GELU multiplies $x$ by the probability that a standard normal number is below $x$. GPT-2 uses an approximation from
# the days when the exact one was slow, and a checkpoint wants the function it was trained with:
#
# $$\mathrm{gelu}(x) = \frac{x}{2}\left(1 + \tanh\!\left(\sqrt{2/\pi}\,\bigl(x + 0.044715\,x^3\bigr)\right)\right)$$


# %% nbgrader={"grade_id": "gelu", "solution": true}
def gelu(x):
    """The bend in GPT-2's MLP, by the tanh formula above: any shape -> the same shape."""
    ### BEGIN SOLUTION mlp
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))
    ### END SOLUTION


# %% [markdown]
# The names of the submodules are GPT-2's. Keep them: the checks and the checkpoint fill them by name.


# %% nbgrader={"grade_id": "mlp", "solution": true}
class MLP(nn.Module):
    """Two Linears with a bend between them, at each position on its own."""

    def __init__(self, config):
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x):
        """Widen with c_fc, bend with gelu, narrow with c_proj, and drop last: (B, T, C) -> (B, T, C)."""
        ### BEGIN SOLUTION
        return self.dropout(self.c_proj(gelu(self.c_fc(x))))  # (B, T, 4C) inside
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-mlp", "grade": true, "points": 2}
check("mlp")

# %% [markdown]
# **Predict.** How far apart are the tanh formula and the exact GELU at most: 0.05, 0.0005 or 0.000005?

# %%
x = torch.linspace(-5, 5, 2001)
gap = gelu(x) - x * torch.special.ndtr(x)
fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.2))
left.plot(x, x.relu(), "--", color=BLUE, label="relu")
left.plot(x, gelu(x), color=ORANGE, label="gelu")
left.set(xlim=(-3, 3), ylim=(-0.4, 3), xlabel="x", title="A relu without a corner")
left.legend()
right.plot(x, gap, color=ORANGE)
right.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
right.set(xlabel="x", title="tanh formula − exact")
fig.tight_layout()
plt.show()

# %% [markdown]
# Less than half a thousandth. Nobody sees that in a loss. But when a ported model agrees with the original to three digits
# instead of five, look for such a thing.
#
# ## Looking back: attention with a fused projection
#
# One Linear makes queries, keys and values at once, $3C$ channels side by side: the first $C$ are the queries of all
# heads, the next $C$ the keys, the last $C$ the values. (One large product keeps a processor busier than three small
# ones.) Then each is split into heads, every position looks back, the heads are merged, and `c_proj` mixes them.
#
# Two lines in the middle are given. They do nothing now, when `cache` is None; in the part on the cache they will put the
# keys and values of earlier positions in front. So do not rely on there being as many keys as queries: the $T$ queries
# belong to the *last* $T$ of $S$ positions.
#
# **Predict.** Five positions were seen before, and $x$ holds three more. What is the shape of the mask, and how many
# keys may the first of the three queries see?


# %% nbgrader={"grade_id": "attention", "solution": true}
class CausalSelfAttention(nn.Module):
    """Every position looks at itself and at those before it."""

    def __init__(self, config):
        super().__init__()
        self.n_head = config.n_head
        self.dropout = config.dropout  # of the attention weights
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.resid_dropout = nn.Dropout(config.dropout)

    def forward(self, x, cache=None):
        """(B, T, C) -> (B, T, C); S is the number of keys, and query i stands at position S - T + i.

        Query i sees the keys 0 … S - T + i. Weights are dropped at rate self.dropout, in training only; the result of
        c_proj goes through resid_dropout.
        """
        ### BEGIN SOLUTION
        q, k, v = (attention.split_heads(third, self.n_head) for third in self.c_attn(x).chunk(3, dim=-1))
        ### END SOLUTION
        if cache is not None:
            k, v = cache.extend(k, v)  # (B, H, T, D) -> (B, H, S, D)
        ### BEGIN SOLUTION
        T, S = q.shape[-2], k.shape[-2]
        mask = attention.causal_mask(S)[S - T :].to(x.device) if T > 1 else None  # (T, S); the last one may see all
        y, _ = attention.scaled_dot_product_attention(q, k, v, mask, dropout=self.dropout, training=self.training)
        return self.resid_dropout(self.c_proj(attention.merge_heads(y)))
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-attention", "grade": true, "points": 2}
check("attention")

# %% [markdown]
# ## The block: two branches beside a road
#
# A block does not replace $x$. It adds to it, twice:
#
# $$x \leftarrow x + \mathrm{Attn}(\mathrm{LN}_1(x)), \qquad x \leftarrow x + \mathrm{MLP}(\mathrm{LN}_2(x))$$
#
# What runs through all blocks and is only ever added to is called the *residual stream*. Each branch reads a normalised
# copy of it and writes its own contribution back. On the way back a sum passes the gradient on whole, so the first
# block hears the loss as clearly as the last one.
#
# In the first Transformer the norm stood *on* the road, $x \leftarrow \mathrm{LN}(x + \mathrm{Attn}(x))$: *post-norm*.
# The one above is *pre-norm*. You will see below what depth makes of the difference.


# %% nbgrader={"grade_id": "block", "solution": true}
class Block(nn.Module):
    """Attention and MLP, each a branch beside the residual stream."""

    def __init__(self, config):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = MLP(config)

    def forward(self, x, cache=None):
        """Pre-norm, as in the two formulas above: (B, T, C) -> (B, T, C). `cache` goes to self.attn as it comes."""
        ### BEGIN SOLUTION
        x = x + self.attn(self.ln_1(x), cache)
        return x + self.mlp(self.ln_2(x))
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-block", "grade": true, "points": 2}
check("block")

# %% [markdown]
# ## The model, and how it starts
#
# Here is the frame: two tables, $L$ blocks, a last norm, and a head that turns $C$ channels into $V$ logits.


# %% nbgrader={"grade_id": "gpt"}
class GPT(nn.Module):
    """GPT-2: tokens in, logits of the next token out."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.vocab_size, config.n_embd),
                "wpe": nn.Embedding(config.block_size, config.n_embd),
                "drop": nn.Dropout(config.dropout),
                "h": nn.ModuleList(Block(config) for _ in range(config.n_layer)),
                "ln_f": nn.LayerNorm(config.n_embd, bias=config.bias),
            }
        )
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.initialise()


# %% [markdown]
# Two things are decided before the first step.
#
# **Tying.** The token table turns a token into a vector; the head asks of a vector how much it is like each token. Both are
# $V \times C$ and both are about what tokens mean, so GPT-2 makes them one parameter: `lm_head.weight` *is*
# `transformer.wte.weight`. It hears from both ends, and 38.6 million numbers are saved. A copy will not do: two
# equal tensors drift apart with the first step.
#
# **Scale.** All weights start as normal numbers with standard deviation 0.02. But $2L$ branches add to the stream. Sums of
# $n$ independent numbers have $n$ times the variance of one, so the stream would grow with depth. The last Linear
# of each branch, called `c_proj` in both, therefore starts smaller, by the square root of the number of branches:
#
# $$\sigma = 0.02, \qquad \sigma_{\texttt{c\_proj}} = \frac{0.02}{\sqrt{2L}}$$


# %% nbgrader={"grade_id": "initialise", "solution": true}
@method(GPT)
@torch.no_grad()
def initialise(self):
    """Tie the head to the token table, and set every parameter anew, whatever it held.

    lm_head.weight becomes the parameter transformer.wte.weight itself: one parameter under two names.
    Weights of Linears and Embeddings: normal, mean 0, standard deviation 0.02; those of every c_proj: 0.02 / sqrt(2L).
    All biases 0, weights of LayerNorms 1.
    """
    ### BEGIN SOLUTION init
    self.lm_head.weight = self.transformer.wte.weight
    for name, parameter in self.named_parameters():
        if name.endswith("c_proj.weight"):
            nn.init.normal_(parameter, 0.0, 0.02 / math.sqrt(2 * self.config.n_layer))
        elif parameter.ndim == 2:
            nn.init.normal_(parameter, 0.0, 0.02)
        else:
            nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-init", "grade": true, "points": 2}
check("init")

# %% [markdown]
# ## Forward, and what a newborn model knows
#
# A token's vector says what it is, a position's vector says where: their sum enters the stream. After the blocks comes
# `ln_f`, then the head. The loss is the cross-entropy of exercise 4, averaged over the positions that have a target.


# %% nbgrader={"grade_id": "embed", "solution": true}
@method(GPT)
def embed(self, idx, start=0):
    """What enters the residual stream: (B, T) whole numbers -> (B, T, C).

    Token vector plus position vector, then transformer.drop. The T positions are start, start + 1, …
    """
    ### BEGIN SOLUTION forward
    positions = torch.arange(start, start + idx.shape[1], device=idx.device)
    return self.transformer.drop(self.transformer.wte(idx) + self.transformer.wpe(positions))
    ### END SOLUTION


# %% nbgrader={"grade_id": "forward", "solution": true}
@method(GPT)
def forward(self, idx, targets=None):
    """Logits of the next token at each position, and the loss: (B, T) -> (B, T, V) and a scalar.

    idx      tokens, T of them, at most block_size
    targets  None, then the loss is None; or (B, T): targets[b, t] is the token that comes after idx[b, t], shifted
             by the caller already. -1 means: no target here. The loss is the mean over all the others (there is one).
    """
    ### BEGIN SOLUTION forward
    x = self.embed(idx)
    for block in self.transformer.h:
        x = block(x)
    logits = self.lm_head(self.transformer.ln_f(x))  # (B, T, V)
    if targets is None:
        return logits, None
    return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-forward", "grade": true, "points": 3}
check("forward")

# %% [markdown]
# A model that knows nothing says $1/V$ for every token, and its loss is $\ln V$. Yours knows nothing and is a little
# noisy: `ln_f` makes $C$ channels of size 1, the head multiplies them by numbers of size 0.02, so logits vary with variance
# $C \cdot 0.02^2$, and half of that comes on top:
#
# $$L_0 \approx \ln V + \tfrac12\, C \cdot 0.02^2$$
#
# **Predict.** What is that for GPT-2, $V = 50257$ and $C = 768$? And for the small model below?

# %%
torch.manual_seed(0)
small = GPT(GPTConfig(block_size=32, vocab_size=2000, n_layer=3, n_head=4, n_embd=128))
idx, targets = torch.randint(2000, (2, 16, 32))
print(f"measured {small(idx, targets)[1].item():.3f}   expected {math.log(2000) + 128 * 0.02**2 / 2:.3f}")
print(f"GPT-2    expected {math.log(50257) + 768 * 0.02**2 / 2:.2f}")

# %% [markdown]
# Learn that formula by heart. A first loss of 40 says at once that the scale is wrong, one of 7 that the targets leak, before
# an hour is spent. A first loss of 10.98 proves little, though: with the scale of `c_proj` forgotten it is the same,
# because `ln_f` hides it. Look at the stream itself:


# %%
@torch.no_grad()
def stream_sizes(model, idx):
    """Standard deviation of the residual stream: at the entrance, then after each block."""
    x = model.embed(idx)
    sizes = [x.std().item()]
    for block in model.transformer.h:
        x = block(x)
        sizes.append(x.std().item())
    return sizes


torch.manual_seed(0)
deep = GPT(GPTConfig(block_size=32, vocab_size=100, n_layer=24, n_head=4, n_embd=128))
idx = torch.randint(100, (4, 32))
scaled = stream_sizes(deep, idx)
with torch.no_grad():
    for name, parameter in deep.named_parameters():
        if name.endswith("c_proj.weight"):
            parameter *= math.sqrt(2 * 24)
fig, ax = plt.subplots(figsize=(6.5, 3.3))
ax.plot(stream_sizes(deep, idx), "--", color=BLUE, label="0.02 everywhere")
ax.plot(scaled, color=ORANGE, label="c_proj scaled by 1/√(2L)")
ax.set(xlabel="after block", ylabel="size of the stream", ylim=(0, None), title="48 branches add up")
ax.legend()
plt.show()

# %% [markdown]
# ## Choosing a token
#
# Logits are not text yet. One number in, one token out, and four choices between:
#
# 1. divide the logits by the **temperature** $\tau > 0$: below 1 the favourites win more often, above 1 less;
# 2. **top-k**: drop all but the $k$ most probable tokens;
# 3. **top-p**: of what is left, drop all but the smallest set of most probable tokens whose probabilities add up to at
#    least $p$;
# 4. softmax over what is left, and draw.
#
# To drop a token is to set its logit to $-\infty$, for $e^{-\infty} = 0$. Each step sees what the one before has left: for
# top-p, the probabilities are those after temperature and top-k, with sum 1.
#
# **Predict.** The probabilities are 0.5, 0.3, 0.15 and 0.05. How many tokens does $p = 0.6$ keep? And $p = 0.4$?


# %% nbgrader={"grade_id": "next_token_probabilities", "solution": true}
def next_token_probabilities(logits, temperature=1.0, top_k=None, top_p=None):
    """With which probability each token is drawn, in the four steps above: (B, V) -> (B, V), rows of sum 1.

    temperature  more than 0
    top_k        1 or more, or None for no limit; a number above V is no limit either
    top_p        more than 0, at most 1, or None; the token with which the sum reaches p is kept, so one always is
    `logits` itself stays as it was. What happens to equal logits at the edge is up to you.
    """
    ### BEGIN SOLUTION sampling
    logits = logits / temperature
    if top_k is not None:
        smallest = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]  # (B, 1)
        logits = logits.masked_fill(logits < smallest, -math.inf)
    if top_p is not None:
        ordered, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)
        enough = ordered.cumsum(dim=-1) - ordered >= top_p  # the sum was reached before this token
        logits = logits.masked_fill(enough.scatter(-1, order, enough), -math.inf)
    return logits.softmax(dim=-1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-sampling", "grade": true, "points": 3}
check("sampling")

# %%
logits = torch.tensor([[0.50, 0.30, 0.15, 0.05]]).log()
for p in (0.4, 0.6):
    print(f"p = {p}: {[round(x, 3) for x in next_token_probabilities(logits, top_p=p)[0].tolist()]}")

scores = torch.tensor([[3.2, 2.9, 2.1, 1.7, 1.2, 0.8, 0.7, 0.2, 0.0, -0.4, -0.9, -1.5]])
settings = [{}, {"temperature": 0.5}, {"temperature": 2.0}, {"top_k": 4}, {"top_p": 0.75}]
fig, axes = plt.subplots(1, 5, figsize=(10, 2.4), sharey=True)
for ax, setting in zip(axes, settings, strict=True):
    ax.bar(range(12), next_token_probabilities(scores)[0], color="none", edgecolor=INK, linewidth=0.8)
    ax.bar(range(12), next_token_probabilities(scores, **setting)[0], color=ORANGE, width=0.6)
    ax.set(xticks=[], xlabel="tokens", title=", ".join(f"{k} = {v}" for k, v in setting.items()) or "as it is")
axes[0].set_ylabel("probability")
fig.tight_layout()
plt.show()

# %% [markdown]
# ## Writing
#
# Ask for the next token, append it, ask again. The model sees at most `block_size` positions, so of a longer text it gets
# the end. `generate` has a line given: it picks one of two ways to the same logits. The slow one is yours now, the fast
# one comes after it has been missed.


# %% nbgrader={"grade_id": "next_logits", "solution": true}
@method(GPT)
def next_logits(self, idx):
    """Logits of the token after the last one: (B, N) -> (B, V), N of any length; the model sees the last block_size."""
    ### BEGIN SOLUTION generate
    logits, _ = self(idx[:, -self.config.block_size :])
    return logits[:, -1]
    ### END SOLUTION


# %% nbgrader={"grade_id": "generate", "solution": true}
@method(GPT)
@torch.no_grad()
def generate(self, idx, max_new_tokens, temperature=1.0, top_k=None, top_p=None, use_cache=True):
    """Continue each row of idx by drawn tokens: (B, N) -> (B, N + max_new_tokens).

    Every token is drawn from next_token_probabilities of the logits, and appended for the next one.
    """
    caches = [KVCache() for _ in self.transformer.h] if use_cache else None
    for _ in range(max_new_tokens):
        logits = self.next_logits_cached(idx, caches) if use_cache else self.next_logits(idx)
        ### BEGIN SOLUTION generate
        probabilities = next_token_probabilities(logits, temperature, top_k, top_p)
        idx = torch.cat((idx, torch.multinomial(probabilities, num_samples=1)), dim=1)
        ### END SOLUTION
    return idx


# %% nbgrader={"grade_id": "check-generate", "grade": true, "points": 2}
check("generate")

# %% [markdown]
# ## See it work
#
# A GPT with a single block, 64 channels and a window of 32 characters, on the prose of Python's own help. It takes a few
# seconds. (Training well is exercise 16; here a plain AdamW does.)


# %%
text = python_prose()[:200_000]
alphabet = sorted(set(text))
code = {character: number for number, character in enumerate(alphabet)}
data = torch.tensor([code[character] for character in text])
training, held_out = data[:180_000], data[180_000:]


def batch(source, size, T, draws):
    """Windows and their targets, one character further on: two (size, T)."""
    at = torch.randint(len(source) - T, (size, 1), generator=draws) + torch.arange(T)
    return source[at], source[at + 1]


def train(model, steps, seed=0, rate=3e-3, size=16):
    """Train in place; return the losses."""
    draws, losses = torch.Generator().manual_seed(seed), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.7, 0.999))  # a short run, a short memory
    for _ in range(steps):
        _, loss = model(*batch(training, size, model.config.block_size, draws))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def evaluate(model, size=128):
    """Loss on held-out text, always on the same windows."""
    return model(*batch(held_out, size, model.config.block_size, torch.Generator().manual_seed(1)))[1].item()


def write(model, prompt, length, **how):
    """Continue a prompt, as text."""
    idx = torch.tensor([[code[character] for character in prompt]])
    return "".join(alphabet[number] for number in model.generate(idx, length, **how)[0].tolist())


torch.manual_seed(2)
config = GPTConfig(block_size=32, vocab_size=len(alphabet), n_layer=1, n_head=4, n_embd=64)
writer = GPT(config)
losses = train(writer, steps=120, seed=2)
print(f"{count_parameters(config):,} parameters, {len(alphabet)} characters")
print(f"ln V = {math.log(len(alphabet)):.2f}")
print(f"loss {losses[0]:.2f} at first, {evaluate(writer):.2f} on held-out text after {len(losses)} steps")

# %%
torch.manual_seed(1)
for how in ({}, {"temperature": 0.5}, {"top_k": 1}):
    print(f"{how or 'as it is'}\n    {write(writer, 'The ', 80, use_cache=False, **how)!r}\n")

# %% [markdown]
# Words of about the right lengths, some of them English, and nothing to say: 120 steps are few. Note the last line. To take
# the favourite each time is not careful, it is a rut. That is what the draw is for.
#
# ## Nothing twice: the KV cache
#
# Time one call of the slow way at different lengths, and think of what is computed. For the 200th token the model reads
# 199; for the 201st it reads 200, and 199 of them it has read before.
#
# **Predict.** In which of these does the appended token change what was computed for the positions *before* it: token
# and position vectors, queries, keys, values, attention weights, MLP?
#
# In none. Nobody may look ahead (exercise 13 checked that the future cannot change the past), so whatever belongs to an
# earlier position is final. And which of it does the *new* position need? Its query meets the earlier **keys**, and
# collects the earlier **values**. Nothing else: earlier queries, weights and MLPs have done their work. So keep the keys
# and values of every block, $2LC$ numbers for a token, and put only new tokens through the model.


# %% nbgrader={"grade_id": "kv_cache", "solution": true}
class KVCache:
    """The keys and values that one attention has made so far, each (B, H, S, D), or None at first."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.k = self.v = None

    @property
    def length(self):
        """S, how many positions are kept."""
        return 0 if self.k is None else self.k.shape[2]

    def extend(self, k, v):
        """Append those of T new positions, keep all, and return all: (B, H, T, D) twice -> (B, H, S, D) twice."""
        ### BEGIN SOLUTION cache
        if self.k is not None:
            k, v = torch.cat((self.k, k), dim=2), torch.cat((self.v, v), dim=2)
        self.k, self.v = k, v
        return k, v
        ### END SOLUTION


# %% [markdown]
# Your attention calls that already. Two methods are missing. `extend` is `forward` for tokens that come *after* those in
# the caches. And `next_logits_cached` decides which tokens those are.
#
# **Predict.** The caches hold 7 positions, and one new token comes. Which row of `wpe` does it get? And what becomes of
# all the cached keys when the text outgrows `block_size`, and the window moves on by one token?


# %% nbgrader={"grade_id": "extend", "solution": true}
@method(GPT)
def extend(self, idx, caches):
    """Logits after each new token, given all those before: (B, T) -> (B, T, V), for one new token or several.

    idx     the new tokens; they come after those that went through the caches before
    caches  a list of L KVCaches, one for each block in turn, all of the same length; afterwards they hold idx too
    """
    ### BEGIN SOLUTION cache
    x = self.embed(idx, start=caches[0].length)
    for block, cache in zip(self.transformer.h, caches, strict=True):
        x = block(x, cache)
    return self.lm_head(self.transformer.ln_f(x))
    ### END SOLUTION


# %% nbgrader={"grade_id": "next_logits_cached", "solution": true}
@method(GPT)
def next_logits_cached(self, idx, caches):
    """The same logits as next_logits(idx), where `caches` have seen the first tokens of idx: (B, N) -> (B, V).

    How many those are, the caches know; at first it is none, and the last token is never among them. Only the others go
    through the blocks. But where N exceeds block_size, every token's position has moved, and nothing that is kept is
    worth anything: clear all the caches, and put the last block_size tokens through.
    """
    ### BEGIN SOLUTION cache
    if idx.shape[1] > self.config.block_size:
        for cache in caches:
            cache.clear()
        idx = idx[:, -self.config.block_size :]
    return self.extend(idx[:, caches[0].length :], caches)[:, -1]
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-cache", "grade": true, "points": 3}
check("cache")

# %% [markdown]
# **Predict.** 250 tokens with a window of 256. How many times faster is the fast way in all? And with a window of 64?


# %%
@torch.no_grad()
def timed(function, *arguments):
    """What a function returns, and the seconds it took."""
    start = time.perf_counter()
    return function(*arguments), time.perf_counter() - start


torch.manual_seed(0)
roomy = GPT(GPTConfig(block_size=256, vocab_size=len(alphabet), n_layer=4, n_head=4, n_embd=128)).eval()
idx, caches, slow, fast, apart = torch.zeros(1, 1, dtype=torch.long), [KVCache() for _ in range(4)], {}, {}, 0.0
for n in range(1, 251):
    logits, fast[n] = timed(roomy.next_logits_cached, idx, caches)
    if n % 10 == 0:  # every tenth will do: the slow way is slow
        other, slow[n] = timed(roomy.next_logits, idx)
        apart = max(apart, (logits - other).abs().max().item())
    idx = torch.cat((idx, logits.argmax(dim=-1, keepdim=True)), dim=1)

print(f"{25 / sum(slow.values()):.0f} tokens a second without a cache, {250 / sum(fast.values()):.0f} with one")
print(f"largest difference of their logits {apart:.0e}")

fig, ax = plt.subplots(figsize=(6.5, 3.3))
ax.plot(slow.keys(), [1e3 * s for s in slow.values()], "s", markersize=4, color=BLUE, label="without a cache")
ax.plot(fast.keys(), [1e3 * s for s in fast.values()], ".", markersize=3, color=ORANGE, label="with a cache")
ax.set(xlabel="tokens before", ylabel="milliseconds for one token", ylim=(0, 1.5e3 * sorted(slow.values())[-4]))
ax.set_title("Reading everything again, and reading one token")
ax.legend()
plt.show()

# %% [markdown]
# The gap widens with the length: without a cache, $N$ tokens cost about $N^2/2$ passes of a token through the model, with
# one $N$. (Each pass looks back over more keys, but that part is small here.) Past the window both are equally slow: with
# learned positions, moving the window by one gives every token another position vector. Exercise 17 has cures.
#
# ## Watch it break
#
# **First break: positions restart.** With a cache, `embed` sees one token, and it is tempting to number it 0. Nothing
# complains, for 0 is a good position.
#
# **Predict.** At which token does the damage begin? What will the loss in training say?


# %%
def forgetful(self, idx, caches):
    """A wrong extend: the new tokens are numbered from 0."""
    x = self.embed(idx)
    for block, cache in zip(self.transformer.h, caches, strict=True):
        x = block(x, cache)
    return self.lm_head(self.transformer.ln_f(x))


@torch.no_grad()
def loss_one_by_one(model, idx, targets):
    """Mean loss at each position, with tokens put through one at a time: (B, T) twice -> list of T."""
    caches = [KVCache() for _ in model.transformer.h]
    logits = torch.cat([model.extend(idx[:, t : t + 1], caches) for t in range(idx.shape[1])], dim=1)
    return F.cross_entropy(logits.transpose(1, 2), targets, reduction="none").mean(dim=0).tolist()


windows = batch(held_out, 128, 32, torch.Generator().manual_seed(2))
right = loss_one_by_one(writer, *windows)
torch.manual_seed(4)
print("yours:     ", repr(write(writer, "The ", 28, temperature=0.7)))
with patch.object(GPT, "extend", forgetful):
    wrong = loss_one_by_one(writer, *windows)
    torch.manual_seed(4)
    print("forgetful: ", repr(write(writer, "The ", 28, temperature=0.7)))
print(f"evaluation, which uses no cache: {evaluate(writer):.2f} for both")

fig, ax = plt.subplots(figsize=(6.5, 3.3))
ax.bar(range(32), [w - r for w, r in zip(wrong, right, strict=True)], color=BLUE)
ax.set(
    xlabel="position",
    ylabel="loss, wrong minus right",
    title="What it costs to believe that one stands at the beginning",
)
plt.show()

# %% [markdown]
# The first token costs nothing: it does stand at the beginning. From there the damage grows, to about a third of a nat, in a model
# that has hardly learnt what positions are good for; the more it has learnt, the more it loses. The text looks no
# sillier than before, and training and evaluation are spotless, because neither uses a cache. So the test of a cache is
# never the text: it is *cached equals uncached*, to the last digits.
#
# **Second break: no road.** Three models with sixteen blocks, nothing trained, and weights large enough that a branch
# writes about as much as it reads. One text of 32 characters goes in. How different are the 32 vectors after each block?
# The measure is 1 minus the cosine between two of them, averaged over all pairs.
#
# **Predict.** Draw three curves over the depth: pre-norm, post-norm, and blocks that do not add but replace. And in
# which of the three does the first block get the smallest gradient?


# %%
def post_norm(self, x, cache=None):
    x = self.ln_1(x + self.attn(x, cache))
    return self.ln_2(x + self.mlp(x))


def no_residual(self, x, cache=None):
    return self.mlp(self.ln_2(self.attn(self.ln_1(x), cache)))


def tell_apart(forward):
    """How different the positions are after each block, and the size of the first block's gradient."""
    torch.manual_seed(0)
    model = GPT(GPTConfig(block_size=32, vocab_size=len(alphabet), n_layer=16, n_head=4, n_embd=64))
    for parameter in model.transformer.h.parameters():
        if parameter.ndim == 2:
            nn.init.normal_(parameter, 0.0, parameter.shape[1] ** -0.5)
    idx, targets = batch(training, 8, 32, torch.Generator().manual_seed(0))
    with patch.object(Block, "forward", forward):
        model(idx, targets)[1].backward()
        x, different = model.embed(idx).detach(), []
        for block in model.transformer.h:
            x = block(x).detach()
            direction = F.normalize(x.double(), dim=-1)
            cosines = direction @ direction.transpose(1, 2)  # (B, T, T)
            different.append((1 - cosines).sum((1, 2)).mean().item() / (32 * 31))
    return different, model.transformer.h[0].mlp.c_fc.weight.grad.norm().item()


fig, ax = plt.subplots(figsize=(6.5, 3.5))
for name, forward, line, colour in (
    ("pre-norm, yours", Block.forward, "-", ORANGE),
    ("post-norm", post_norm, "-.", GREEN),
    ("no residual", no_residual, "--", BLUE),
):
    different, gradient = tell_apart(forward)
    ax.semilogy(range(1, 17), different, line, color=colour, label=name)
    print(f"{name:16} gradient of the first block {gradient:.2f}")
ax.set(xlabel="after block", ylabel="1 − cosine", ylim=(1e-8, 3), title="Can anybody still tell the positions apart?")
ax.legend()
plt.show()

# %% [markdown]
# Attention averages. Without a road, each block leaves a fraction of what set the positions apart, and after sixteen the
# rest is lost in the digits of a float: no head could say which token stood where. The gradient gives no warning; it is
# *larger* than yours. (The usual story, that gradients vanish, is about deep nets without norms.) A road lets each position keep
# what it was. Post-norm keeps the road and puts two norms a block on it: each scales down what came from below, so the
# old fades, only slower. That is why deep post-norm models want a careful warm-up, and GPT-2 moved the norm.
#
# ## Somebody else's weights
#
# The names fit, so a published checkpoint should drop in. There is one trap. OpenAI's code computed $xW$ with $W$ of
# shape (in, out), a class called Conv1D; `nn.Linear` computes $xW^\top$ with (out, in). Four matrices of each block have to
# be transposed.
#
# **Predict.** Three of the four would be refused by their shape if one forgot. Which one would not?


# %% nbgrader={"grade_id": "load_gpt2", "solution": true}
def load_gpt2(model, checkpoint):
    """Copy a GPT-2 checkpoint, as Hugging Face publishes it, into a GPT of its shape; return the model.

    checkpoint  name -> tensor; the names are the model's own, with or without "transformer." in front
    Weights of c_attn, c_proj and c_fc are stored (in, out); everything else as in the model. There may be entries
    that are no weights: h.N.attn.bias and h.N.attn.masked_bias hold causal masks. lm_head.weight may be there or not;
    it is wte.weight once more. The head stays tied. Raises KeyError if one of the model's weights is missing.
    """
    ### BEGIN SOLUTION load
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            tensor = checkpoint[name if name in checkpoint else name.removeprefix("transformer.")]
            turned = name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))
            parameter.copy_(tensor.T if turned else tensor)
    return model
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-load", "grade": true, "points": 2}
check("load")

# %% [markdown]
# Pack your own trained writer the way OpenAI did, and load it into a fresh model, once by your function and once by one
# that transposes only where the shapes disagree.
#
# **Predict.** The writer's loss on held-out text is printed above. What will the second one have: the same, a
# little more, or that of a newborn?

# %%
lying = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
packed = {name: t.T.clone() if name.endswith(lying) else t.clone() for name, t in writer.state_dict().items()}
fresh = load_gpt2(GPT(config), packed)
print(f"every weight in its place:      {evaluate(fresh):.3f}")

with torch.no_grad():
    for name, parameter in fresh.named_parameters():
        if name.endswith("attn.c_proj.weight"):
            parameter.copy_(packed[name])
print(f"attn.c_proj lying on its side:  {evaluate(fresh):.3f}")

# %% [markdown]
# No error, and a loss that might pass for "the port is not quite there yet". Shapes are a poor test; the test is the same
# logits from the same tokens.
#
# With a network you can try the real thing: fetch `model.safetensors` from `openai-community/gpt2` on the Hugging Face hub (548
# MB), and put its path here. The eight tokens say *Hello, I'm a language model,*.

# %%
path = ""
if path:
    from safetensors.torch import load_file

    gpt2 = load_gpt2(GPT(GPTConfig()), load_file(path)).eval()
    hello = torch.tensor([[15496, 11, 314, 1101, 257, 3303, 2746, 11]])
    print(gpt2.generate(hello, 30, top_k=50)[0].tolist())  # exercise 12's decoder makes words of them

# %% [markdown]
# ## An open experiment
#
# *Speculative decoding* writes with two models. A small one drafts a few tokens, one after the other; the large one puts
# them all through `extend` at once, which costs it little more than a single token, and says how far it agrees. Write the
# greedy form: keep the longest stretch of the draft that the large model would have written itself, and its own next token
# after it. What do the caches have to forget when a draft is turned down? The text must be that of the large model alone;
# how many tokens does one of its passes yield, if the small one is `writer` after 30 steps, or `writer` itself?

# %%
# your experiment

# %% [markdown]
# ## In your own words
#
# What do you know now that you did not this morning? One or two sentences, as you would tell a colleague. For example:
# "Causality is not only a rule for training. It is why the past need not be computed again: the cache is the mask's
# other face."

# %%
words = ""
if words:
    aha(words)
