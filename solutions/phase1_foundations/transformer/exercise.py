# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 14
#     title: Transformer
#     question: "A network that writes word by word is trained on all words at once: what keeps it honest, and what changes when it is on its own?"
#     hours: 5
#     track: core
#     week: 7
#     needs: [attention]
#     sources:
#       - "Vaswani et al.: Attention Is All You Need (2017), sections 3, 5.3, 5.4 and 6.1"
#       - "Rush: The Annotated Transformer (2018), and its revision by Huang et al. (2022)"
#       - "Ba, Kiros, Hinton: Layer Normalization (2016)"
#       - "Szegedy et al.: Rethinking the Inception Architecture (2016), section 7: label smoothing"
#       - "Wu et al.: Google's Neural Machine Translation System (2016), section 7: the length penalty"
#       - "Stahlberg, Byrne: On NMT Search Errors and Model Errors: Cat Got Your Tongue? (2019)"
#     alone: [LayerNorm.forward, DecoderLayer.forward, teach, beam_search]
#     from_scratch:
#       - torch.nn.LayerNorm
#       - torch.nn.functional.layer_norm
#       - torch.layer_norm
#       - torch.native_layer_norm
#       - torch.nn.CrossEntropyLoss
#       - torch.nn.functional.cross_entropy
#       - torch.nn.MultiheadAttention
#       - torch.nn.Transformer
#       - torch.nn.TransformerEncoder
#       - torch.nn.TransformerEncoderLayer
#       - torch.nn.TransformerDecoder
#       - torch.nn.TransformerDecoderLayer
#       - transformers
# ---

# %% [markdown]
# # Transformer
#
# **A network that writes word by word is trained on all words at once: what keeps it honest, and what changes when it
# is on its own?**
#
# You are about to build the Transformer of 2017 to the last of its 63,121,544 parameters: an *encoder* that reads one
# sequence and a *decoder* that writes another. Attention is yours already. New is what stands around it, how the whole
# is taught, and how it is asked. In the end a small one learns to say digits backwards, and you will see in its maps
# how it does so.
#
# Where this bites at work:
#
# - The training loss is at zero by lunch, and every translation is noise. The decoder was shown the word that it was
#   asked for.
# - A sentence is translated well alone and badly in a batch: a neighbour was longer, and the padding is read as text.
# - Somebody turns the beam up from 4 to 50 for quality. The translations get shorter, and some are empty.
# - A port agrees with the original to two digits. One divided by $C$ where the other divided by $C - 1$.
#
# | letter | meaning |
# |---|---|
# | $B$ | batch: pairs of sequences |
# | $S$, $T$ | positions of the *source*, which is read, and of the *target*, which is written |
# | $C$, $H$ | channels, heads |
# | $W$ | channels inside the feed-forward part |
# | $V$ | tokens in the vocabulary, which both sides share |
#
# Three tokens are no words: `PAD` fills a row up, `BOS` stands before a target, `EOS` ends it.

# %%
from autograder import aha, carry, check, hint, method, palette  # first: its judge warms up while the rest is imported

import math

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import LinearSegmentedColormap
from torch import nn
from torch.nn import functional as F

INK, BLUE, ORANGE, GREEN, PURPLE, *_ = palette()
torch.set_num_threads(1)  # these tensors are small: more threads would only wait for one another
PAD, BOS, EOS = 0, 1, 2

# %% [markdown]
# Exercise 13 comes along: your own functions where they pass, the reference where they do not. Needed here are
# `attention.causal_mask(T)` and `attention.MultiHeadAttention(C, H, dropout)`. A module of the latter is called as
# `(x, context=None, mask=None)`; True in a mask means *may look*.

# %%
attention = carry("attention")

# %% [markdown]
# ## Where am I?
#
# Attention knows no order. Shuffle the words, and every word fetches what it fetched before. So each position gets a
# signature, which is added to its word. The Transformer's is a clock with $C/2$ hands: the first one turns by one
# radian at every step, and each of the next is slower than the one before. Of each hand we write down the sine and the
# cosine, side by side:
#
# $$P_{t,\,2i} = \sin\frac{t}{10000^{2i/C}}, \qquad P_{t,\,2i+1} = \cos\frac{t}{10000^{2i/C}},
# \qquad i = 0 \ldots C/2 - 1$$
#
# Positions $t$ are counted from 0.


# %% nbgrader={"grade_id": "sinusoidal_positions", "solution": true}
def sinusoidal_positions(T, C):
    """The signatures of T positions, by the formula above: -> (T, C) float32. C is even.

    Sines are in channels 0, 2, 4 … and the cosine of the same angle is next to its sine (Vaswani et al., section 3.5).
    """
    ### BEGIN SOLUTION positions
    t = torch.arange(T, dtype=torch.float32)[:, None]
    slowness = 10000.0 ** (torch.arange(0, C, 2) / C)  # (C/2,)
    angles = t / slowness  # (T, C/2)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-positions", "grade": true, "points": 2}
check("positions")

# %% [markdown]
# **Predict.** How long is the signature of position 3 with $C = 64$, that is, the root of the sum of its squares? And
# of position 77? Then: take the dot products of the signatures of 40 and of 43, and of 80 and 83. Which is larger?

# %%
P = sinusoidal_positions(120, 64)
print(f"lengths {P[3].norm():.4f} and {P[77].norm():.4f}")
print(f"dot products {P[40] @ P[43]:.4f} and {P[80] @ P[83]:.4f}")

diverging = LinearSegmentedColormap.from_list("diverging", [BLUE, BLUE + "00", ORANGE + "00", ORANGE])
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), width_ratios=(3, 2))
left.imshow(P.T, aspect="auto", cmap=diverging, vmin=-1, vmax=1, interpolation="nearest")
left.set(xlabel="position t", ylabel="channel", title="The hands of a clock, fast ones at the top")
for start, colour in ((20, BLUE), (60, ORANGE), (100, GREEN)):
    right.plot(torch.arange(120) - start, P @ P[start], color=colour, label=f"seen from t = {start}")
right.set(xlabel="offset", ylabel="dot product", title="Only the offset counts")
right.legend(loc="upper left", fontsize="small")
fig.tight_layout()
plt.show()

# %% [markdown]
# $\sin a \sin b + \cos a \cos b = \cos(a - b)$: each pair of channels adds the cosine of an *angle difference*, so the
# dot product knows how far apart two positions are, and nothing about where. Neighbours are alike, wherever they
# stand. It is a gift for attention, whose scores are dot products.
#
# ## Layer norm
#
# A deep net wants numbers of a steady size. Batch norm takes mean and variance over the examples of a batch, which is
# awkward here: sequences have different lengths, and a translation should not depend on its neighbours. Layer norm
# takes them over the channels of *one position*:
#
# $$\text{LN}(x) = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} \odot w + b, \qquad
# \mu = \frac1C \sum_c x_c, \qquad \sigma^2 = \frac1C \sum_c (x_c - \mu)^2$$
#
# Three details are a matter of agreement. The sum of squares is divided by $C$; `torch.var` and `torch.std` divide by
# $C - 1$ unless told otherwise. $\varepsilon$ is *under the root*. And the variance is that of the differences: where
# $\mu$ is large, $\overline{x^2} - \mu^2$ would be the small difference of two huge numbers.


# %% nbgrader={"grade_id": "layer_norm", "solution": true}
class LayerNorm(nn.Module):
    """Bring every position to mean 0 and variance 1, then scale and shift by learned numbers (Ba et al., 2016)."""

    def __init__(self, C, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(C))
        self.bias = nn.Parameter(torch.zeros(C))

    def forward(self, x):
        """The formula above over the last axis: (…, C) -> (…, C). A position may be as far from 0 as 3000."""
        ### BEGIN SOLUTION
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        return centred / torch.sqrt(variance + self.eps) * self.weight + self.bias
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-layer_norm", "grade": true, "points": 2}
check("layer_norm")

# %% [markdown]
# **Predict.** A position holds 1, 2, 3, 4. What becomes of it? And of 100, 200, 300, 400? Of 7, 7, 7, 7?

# %%
norm = LayerNorm(4)
for row in ([1.0, 2.0, 3.0, 4.0], [100.0, 200.0, 300.0, 400.0], [7.0, 7.0, 7.0, 7.0]):
    print(row, "->", [round(value, 3) for value in norm(torch.tensor(row)).tolist()])

# %% [markdown]
# Size and offset are gone, only the pattern stays.
#
# ## The encoder layer
#
# Two branches, and each is *added* to what it read, then normalised. The paper calls it *Add & Norm*:
#
# $$x \leftarrow \text{LN}_1\bigl(x + \text{drop}(\text{Attention}(x))\bigr), \qquad
# x \leftarrow \text{LN}_2\bigl(x + \text{drop}(\text{FeedForward}(x))\bigr)$$
#
# In attention positions meet. In the feed-forward part each position is by itself: two linear layers, wide in between,
# the same ones at every position.
#
# $$\text{FeedForward}(x) = W_2 \,\text{drop}(\max(0,\, W_1 x + b_1)) + b_2$$


# %% nbgrader={"grade_id": "feed_forward", "solution": true}
class FeedForward(nn.Module):
    """Two linear layers at each position on its own (Vaswani et al., section 3.3)."""

    def __init__(self, C, W, dropout=0.0):
        super().__init__()
        self.linear1 = nn.Linear(C, W)
        self.linear2 = nn.Linear(W, C)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        """Widen, cut off below 0, drop, narrow: (B, T, C) -> (B, T, C)."""
        ### BEGIN SOLUTION encoder_layer
        return self.linear2(self.dropout(self.linear1(x).relu()))
        ### END SOLUTION


# %% nbgrader={"grade_id": "encoder_layer", "solution": true}
class EncoderLayer(nn.Module):
    """Read: every position looks at all the others, then thinks by itself."""

    def __init__(self, C, H, W, dropout=0.0):
        super().__init__()
        self.attention = attention.MultiHeadAttention(C, H, dropout)
        self.feed_forward = FeedForward(C, W, dropout)
        self.norm1 = LayerNorm(C)
        self.norm2 = LayerNorm(C)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        """The two steps above: (B, S, C) -> (B, S, C).

        mask  who may look at whom, broadcastable to (B, H, S, S), or None; it is for the attention
        What either branch puts out goes through self.dropout before it is added.
        """
        ### BEGIN SOLUTION
        x = self.norm1(x + self.dropout(self.attention(x, mask=mask)))
        return self.norm2(x + self.dropout(self.feed_forward(x)))
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-encoder_layer", "grade": true, "points": 3}
check("encoder_layer")

# %% [markdown]
# **Predict.** In a layer of the paper's size ($C = 512$, $W = 2048$), what takes more weights: attention with its four
# projections, or the feed-forward part?

# %%
layer = EncoderLayer(512, 8, 2048)
for name in ("attention", "feed_forward", "norm1"):
    print(f"{name:13} {sum(p.numel() for p in getattr(layer, name).parameters()):9,}")

# %% [markdown]
# The norm stands *after* the sum, on the road from layer to layer: *post-norm*. GPT, in the next exercise, has it
# inside the branch, and the road is free. Both train; post-norm wants more care at the start, which we come to.
#
# ## The decoder layer
#
# Who writes has two questions: what have I written so far, and what does the source say? So there are three branches:
#
# 1. *self-attention* over the target so far, under a mask that hides what is not written yet;
# 2. *cross-attention*: the target asks, and the *memory* answers. That is what the encoder has made of the source;
# 3. the feed-forward part.
#
# Each of the three is added and normalised as before.
#
# **Predict.** A source of $S = 7$ positions, a target of $T = 5$. What is the shape of the scores of one head in the
# first branch, and in the second? Which of the two needs the causal mask?


# %% nbgrader={"grade_id": "decoder_layer", "solution": true}
class DecoderLayer(nn.Module):
    """Write: look back at the target, look over to the source, then think."""

    def __init__(self, C, H, W, dropout=0.0):
        super().__init__()
        self.attention = attention.MultiHeadAttention(C, H, dropout)
        self.cross_attention = attention.MultiHeadAttention(C, H, dropout)
        self.feed_forward = FeedForward(C, W, dropout)
        self.norm1 = LayerNorm(C)
        self.norm2 = LayerNorm(C)
        self.norm3 = LayerNorm(C)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, memory, mask=None, memory_mask=None):
        """Three branches, each dropped, added and normalised, norm1 to norm3 in this order: (B, T, C) -> (B, T, C).

        memory       (B, S, C), what the encoder has made of the source
        mask         which target positions may look at which, broadcastable to (B, H, T, T), or None
        memory_mask  which target positions may look at which of the source, broadcastable to (B, H, T, S), or None
        """
        ### BEGIN SOLUTION
        x = self.norm1(x + self.dropout(self.attention(x, mask=mask)))
        x = self.norm2(x + self.dropout(self.cross_attention(x, memory, mask=memory_mask)))
        return self.norm3(x + self.dropout(self.feed_forward(x)))
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-decoder_layer", "grade": true, "points": 3}
check("decoder_layer")

# %% [markdown]
# ## The whole
#
# Here is the frame. One table serves three times: for the source, for the target, and as the weights of the head at the
# end. Each stack has a norm of its own after its last layer, as in `nn.Transformer`.


# %% nbgrader={"grade_id": "transformer"}
class Transformer(nn.Module):
    """A sequence in, scores for the next token of another one out."""

    def __init__(self, V, C=512, H=8, W=2048, encoders=6, decoders=6, dropout=0.1, pad=PAD):
        super().__init__()
        self.C, self.pad = C, pad
        self.embedding = nn.Embedding(V, C)
        self.encoder = nn.ModuleList(EncoderLayer(C, H, W, dropout) for _ in range(encoders))
        self.encoder_norm = LayerNorm(C)
        self.decoder = nn.ModuleList(DecoderLayer(C, H, W, dropout) for _ in range(decoders))
        self.decoder_norm = LayerNorm(C)
        self.head = nn.Linear(C, V)
        self.head.weight = self.embedding.weight  # one parameter under two names
        self.dropout = nn.Dropout(dropout)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        nn.init.normal_(self.embedding.weight, std=C**-0.5)


# %% [markdown]
# **Size.** As a head, the table wants small numbers: a normalised $x$ has length $\sqrt C$, and scores of size 1 come
# out if a row of the table has length 1. As an embedding that is too small: a signature has length $\sqrt{C/2}$, and
# a word of length 1 beside it is lost. So the embedding, and only the embedding, is multiplied by $\sqrt C$ (section
# 3.4 of the paper).
#
# $$x_t = \text{drop}\bigl(\sqrt C \cdot E_{\text{token } t} + P_t\bigr)$$
#
# **Masks.** There are three, and each guards one kind of attention:
#
# | attention | who asks whom | hidden |
# |---|---|---|
# | in the encoder | source asks source | padding of the source |
# | in the decoder | target asks target | what comes later, and padding of the target |
# | across | target asks source | padding of the source |


# %% nbgrader={"grade_id": "embed", "solution": true}
@method(Transformer)
def embed(self, tokens):
    """What enters a stack, by the formula above: (B, T) int64 -> (B, T, C). Drop by self.dropout."""
    ### BEGIN SOLUTION transformer
    x = self.embedding(tokens) * math.sqrt(self.C)
    return self.dropout(x + sinusoidal_positions(tokens.shape[1], self.C).to(x))
    ### END SOLUTION


# %% nbgrader={"grade_id": "source_mask", "solution": true}
@method(Transformer)
def source_mask(self, source):
    """True where a token is not self.pad: (B, S) -> (B, 1, 1, S) bool, for all heads and all who ask."""
    ### BEGIN SOLUTION transformer
    return (source != self.pad)[:, None, None, :]
    ### END SOLUTION


# %% nbgrader={"grade_id": "target_mask", "solution": true}
@method(Transformer)
def target_mask(self, target):
    """True where position i (row) may look at j (column): j ≤ i, and j is not padding. (B, T) -> (B, 1, T, T) bool."""
    ### BEGIN SOLUTION transformer
    real = (target != self.pad)[:, None, None, :]
    return real & attention.causal_mask(target.shape[1]).to(target.device)
    ### END SOLUTION


# %% nbgrader={"grade_id": "encode", "solution": true}
@method(Transformer)
def encode(self, source):
    """Embed, all encoder layers in turn, the encoder's norm: (B, S) -> memory (B, S, C). Nobody looks at padding."""
    ### BEGIN SOLUTION transformer
    x, mask = self.embed(source), self.source_mask(source)
    for layer in self.encoder:
        x = layer(x, mask)
    return self.encoder_norm(x)
    ### END SOLUTION


# %% nbgrader={"grade_id": "decode", "solution": true}
@method(Transformer)
def decode(self, target, memory, memory_mask=None):
    """Scores of the token after each position of the target: (B, T), (B, S, C) -> (B, T, V).

    Embed, all decoder layers in turn, the decoder's norm, the head. The target is kept from seeing ahead in here;
    memory_mask says which positions of the memory may be looked at, as in a decoder layer.
    """
    ### BEGIN SOLUTION transformer
    x, mask = self.embed(target), self.target_mask(target)
    for layer in self.decoder:
        x = layer(x, memory, mask, memory_mask)
    return self.head(self.decoder_norm(x))
    ### END SOLUTION


# %% nbgrader={"grade_id": "forward", "solution": true}
@method(Transformer)
def forward(self, source, target):
    """Read the source, and say after each position of the target what comes next: (B, S), (B, T) -> (B, T, V).

    The result is made of scores (logits), not of probabilities. Nobody looks at padding.
    """
    ### BEGIN SOLUTION transformer
    return self.decode(target, self.encode(source), self.source_mask(source))
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-transformer", "grade": true, "points": 3}
check("transformer")

# %% [markdown]
# **Predict.** The paper's base model with 37,000 tokens: 65 million, the paper says. How many of them are in the
# table? On the device called *meta* a tensor has a shape and no numbers, so this costs nothing.

# %%
with torch.device("meta"):
    base = Transformer(37_000)
total, table = sum(p.numel() for p in base.parameters()), base.embedding.weight.numel()
print(f"{total:,} parameters, {table / total:.0%} of them in the table")

# %%
shares = {}
for C in (32, 128, 512):
    with torch.no_grad():
        words = Transformer(1000, C, 4, C, 1, 1).embedding.weight
    place = sinusoidal_positions(100, C).square().mean()
    shares[C] = [words.square().mean() * size / (words.square().mean() * size + place) for size in (1, C)]
    print(f"C = {C:3}: the word is {shares[C][0]:5.1%} of what enters without the root, {shares[C][1]:.0%} with it")

# %% [markdown]
# Would the loss tell? Hardly. A model can learn large embeddings, and a small one does so quickly. Ported weights,
# though, mean something else from the first layer on.
#
# ## Teaching
#
# A model that writes word by word could be taught by letting it write, one word after the other. Hardly anybody does. We
# know the right target, so position $t$ is given the right words up to $t$, whatever the model would have written,
# and is asked for word $t + 1$. With the mask all positions can be asked *at once*: a sentence of 30 words is 30
# lessons for the price of one pass. That is *teacher forcing*, and it is one shift:
#
# | | | | | | |
# |---|---|---|---|---|---|
# | target | BOS | 7 | 2 | 5 | EOS |
# | the decoder is given | BOS | 7 | 2 | 5 | |
# | and is to say | 7 | 2 | 5 | EOS | |
#
# **Label smoothing.** Cross-entropy is content only when the right word has probability 1, that is, at scores of
# infinity. With smoothing, a share $\varepsilon$ of what is wanted is dealt out evenly to all $V$ tokens, the right
# one included:
#
# $$q_v = (1 - \varepsilon)\,[v = \text{right}] + \frac{\varepsilon}{V}, \qquad
# \text{loss} = -\sum_v q_v \ln p_v, \qquad p = \text{softmax}(\text{scores})$$
#
# This is what `F.cross_entropy` does. (The Annotated Transformer deals $\varepsilon$ out to $V - 2$ tokens, neither
# the right one nor padding, and measures a divergence. Both are honest; we take the first.) The mean is over all
# positions whose right token is not padding.


# %% nbgrader={"grade_id": "smoothed_loss", "solution": true}
def smoothed_loss(logits, wanted, smoothing=0.1, pad=PAD):
    """Mean of the formula above over the positions with a wanted token: (B, T, V), (B, T) -> scalar.

    smoothing  ε, from 0 (plain cross-entropy) to below 1; a share of ε / V for each of the V tokens, padding too
    pad        where this token is wanted, nothing is wanted: the position does not count
    Scores may be as large as ±1000.
    """
    ### BEGIN SOLUTION loss
    logs = logits.log_softmax(dim=-1)
    right = logs.gather(-1, wanted[..., None])[..., 0]  # (B, T)
    losses = -(1 - smoothing) * right - smoothing * logs.mean(dim=-1)
    return losses[wanted != pad].mean()
    ### END SOLUTION


# %% nbgrader={"grade_id": "teach", "solution": true}
def teach(model, source, target, smoothing=0.0):
    """Smoothed loss of a model under teacher forcing: (B, S), (B, T) -> scalar.

    target  BOS, the words, EOS, then padding
    model   called as model(source, given); gives scores (B, T - 1, V) of what comes after each token that it is given
    What is padding for the model, model.pad, is not asked for.
    """
    ### BEGIN SOLUTION loss
    logits = model(source, target[:, :-1])
    return smoothed_loss(logits, target[:, 1:], smoothing, model.pad)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-loss", "grade": true, "points": 3}
check("loss")

# %% [markdown]
# **Predict.** Eleven tokens, and the model gives probability $p$ to the right one and shares the rest out evenly.
# Where is the loss smallest with $\varepsilon = 0.1$, and what does it cost to be 99.99% sure *and right*?

# %%
p = torch.sigmoid(torch.linspace(-0.8, 11.5, 150))
logits = torch.cat((p[:, None], ((1 - p) / 10)[:, None].expand(-1, 10)), 1).log()[:, None, None]  # (150, 1, 1, 11)
right = torch.zeros(1, 1, dtype=torch.long)
fig, ax = plt.subplots(figsize=(6.5, 3.4))
for smoothing, colour, line in ((0.0, BLUE, "--"), (0.1, ORANGE, "-"), (0.3, GREEN, "-.")):
    losses = torch.stack([smoothed_loss(row, right, smoothing, pad=-1) for row in logits])
    ax.plot(p / (1 - p), losses, line, color=colour, label=f"ε = {smoothing}")
    sure = losses[(p - 0.9999).abs().argmin()]
    print(f"ε = {smoothing}: smallest at p = {p[losses.argmin()]:.3f}; at p = 0.9999 it is {sure:.2f}")
ax.set(xscale="log", xlabel="odds of the right token, p / (1 − p)", ylabel="loss", ylim=(0, 3.5))
ax.set_title("Who is too sure pays, even when right")
ax.legend()
plt.show()

# %% [markdown]
# The best $p$ is $1 - \varepsilon + \varepsilon / V$, at finite scores. It makes the loss worse and, says the paper,
# the translations better. Note for later that a smoothed loss never gets to 0.
#
# ## The learning rate
#
# Section 5.3 of the paper, known as the *Noam schedule*: up in a straight line for some steps, then down with the root.
#
# $$\text{rate}(n) = \text{factor} \cdot C^{-1/2} \cdot \min\bigl(n^{-1/2},\; n \cdot \text{warmup}^{-3/2}\bigr),
# \qquad n = 1, 2, 3 \ldots$$


# %% nbgrader={"grade_id": "noam", "solution": true}
def noam(n, C, warmup=4000, factor=1.0):
    """The learning rate at step n, by the formula above; the first step is n = 1. Returns a float."""
    ### BEGIN SOLUTION schedule
    return factor * C**-0.5 * min(n**-0.5, n * warmup**-1.5)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-schedule", "grade": true, "points": 1}
check("schedule")

# %% [markdown]
# **Predict.** Where do the two branches of the minimum meet? A model four times as wide: is its peak half as high, or a
# quarter? Warming up for twice as long: does it change the rate at step 20,000?

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.3))
for C, warmup, colour, line in ((512, 4000, ORANGE, "-"), (512, 8000, BLUE, "--"), (2048, 4000, GREEN, "-.")):
    rates = [noam(n, C, warmup) for n in range(1, 20_001)]
    ax.plot(rates, line, color=colour, label=f"C = {C}, warm-up {warmup}")
    print(f"C = {C:4}, warm-up {warmup}: peak {max(rates):.2e} at step {rates.index(max(rates)) + 1}")
ax.set(xlabel="step", ylabel="learning rate", title="Up in a line, down with the root")
ax.legend()
plt.show()

# %% [markdown]
# Why warm up? With post-norm the gradients of the last layers are large at first, and Adam's averages are made of a few
# steps only, so that its first strides are long and blind. A deep post-norm model that starts at full speed often never
# recovers.
#
# ## Writing
#
# Now the model is on its own. It reads the source once. Then it writes: BOS is given, the most probable next token is
# appended, and so on, each time with its own words in place of the teacher's. That is *greedy decoding*. Some rows of a
# batch are done sooner than others; they get padding until the last one is done too.


# %% nbgrader={"grade_id": "greedy", "solution": true}
@torch.no_grad()
def greedy(model, source, limit, bos=BOS, eos=EOS):
    """Write the most probable token each time: (B, S) -> (B, n) int64, what comes after BOS.

    A row holds what was written up to and including EOS, then model.pad; n is the length of the longest one, at most
    limit: a row without EOS by then is cut off. Uses model.encode once, model.decode and model.source_mask.
    """
    ### BEGIN SOLUTION
    memory, mask = model.encode(source), model.source_mask(source)
    target = torch.full((len(source), 1), bos, device=source.device)
    done = torch.zeros(len(source), dtype=torch.bool, device=source.device)
    while target.shape[1] <= limit and not done.all():
        token = model.decode(target, memory, mask)[:, -1].argmax(dim=-1)  # (B,)
        token = token.masked_fill(done, model.pad)
        done = done | (token == eos)
        target = torch.cat((target, token[:, None]), dim=1)
    return target[:, 1:]
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-greedy", "grade": true, "points": 3}
check("greedy")

# %% [markdown]
# ## See it work
#
# Four digits in, the same four backwards out. It is a small task and a mean one: the first token to be written is the
# last one that was read. One layer on each side, 48 channels.


# %%
def digits(B, generator):
    """B sources of four digits, and their targets: BOS, the digits reversed, EOS. Digit d is token 3 + d."""
    source = torch.randint(3, 13, (B, 4), generator=generator)
    edge = torch.ones(B, 1, dtype=torch.long)
    return source, torch.cat((BOS * edge, source.flip(1), EOS * edge), 1)


def train(model, steps=50, loss_of=teach, warmup=10, factor=0.15):
    """Train in place with Adam under the Noam schedule; return the losses."""
    draws, losses = torch.Generator().manual_seed(3), []
    # In so short a run the mean of the gradients, too, has to be a short one: 0.7 and not the paper's 0.9.
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.7, 0.98), eps=1e-9, fused=True)
    for n in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = noam(n, model.C, warmup, factor)
        loss = loss_of(model, *digits(64, draws))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def exact(model, change=lambda *pair: pair):
    """The share of 300 sources that a model reverses without a mistake, all by itself."""
    source, target = change(*digits(300, torch.Generator().manual_seed(2)))
    written = greedy(model, source, limit=5)
    written = F.pad(written, (0, 5 - written.shape[1]), value=PAD)
    return (written == target[:, 1:]).all(1).float().mean().item()


def newborn():
    """The small model, always with the same starting weights."""
    torch.manual_seed(1)
    return Transformer(13, C=48, H=2, W=96, encoders=1, decoders=1, dropout=0.0)


model = newborn()
losses = train(model)
print(f"loss {losses[0]:.2f} at first, {losses[-1]:.3f} after {len(losses)} steps")
print(f"reversed exactly: {exact(model):.0%}")

# %% [markdown]
# **Predict.** The table below has a row for each token that is written and a column for each digit of the source, and
# shows where the cross-attention looked. Draw it before you run the cell. Where does the row of EOS look?


# %%
@torch.no_grad()
def looks_across(model, source, given):
    """The maps of the last cross-attention: (B, S), (B, T) -> (B, H, T, S)."""
    layer, seen = model.decoder[-1].cross_attention, {}

    def note(_, args, named):
        seen.update(args=args, named=named)

    hook = layer.register_forward_pre_hook(note, with_kwargs=True)
    model(source, given)
    hook.remove()
    return layer(*seen["args"], **seen["named"], return_weights=True)[1]


source, target = torch.tensor([[2, 7, 1, 8]]) + 3, torch.tensor([[BOS, 11, 4, 10, 5, EOS]])
maps = looks_across(model, source, target[:, :-1])[0]
fade = LinearSegmentedColormap.from_list("fade", [ORANGE + "00", ORANGE])
fig, axes = plt.subplots(1, 3, figsize=(9, 3.6))
for ax, weights, title in zip(axes, (*maps, maps.mean(0)), ("head 1", "head 2", "both")):
    ax.imshow(weights, cmap=fade, vmin=0, vmax=1)
    ax.set(title=title, xlabel="is read")
    ax.set_xticks(range(4), "2 7 1 8".split())
    ax.set_yticks(range(5), "8 1 7 2 EOS".split())
    ax.spines[:].set_visible(True)
axes[0].set_ylabel("is written")
fig.suptitle("The anti-diagonal: who writes the first looks at the last")
fig.tight_layout()
plt.show()

# %% [markdown]
# Nobody told it about places. The target's position says "I am to write the first", the source's says "I am the fourth",
# and the two projections have learned to make these two fit each other.
#
# ## Watch it break
#
# Three more models, from the same starting weights, with the same data. Each has one line changed:
#
# - **sees ahead**: the decoder's mask hides nothing;
# - **unshifted**: the decoder is given the very tokens that it is to say;
# - **no positions**: nothing is added to the embeddings.
#
# **Predict.** Put the four in order by their last loss. Then put them in order by what they write.


# %%
class SeesAhead(Transformer):
    def target_mask(self, target):
        return self.source_mask(target)


class NoPositions(Transformer):
    def embed(self, tokens):
        return self.dropout(self.embedding(tokens) * math.sqrt(self.C))


def unshifted(model, source, target):
    return smoothed_loss(model(source, target[:, 1:]), target[:, 1:], 0.0)


curves, scores = {"yours": losses}, {"yours": exact(model)}
for name, kind, loss_of in (
    ("sees ahead", SeesAhead, teach),
    ("unshifted", Transformer, unshifted),
    ("no positions", NoPositions, teach),
):
    wrong = newborn()
    wrong.__class__ = kind  # the same weights, one method replaced
    curves[name] = train(wrong, loss_of=loss_of)
    scores[name] = exact(wrong)

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), width_ratios=(3, 2))
for (name, curve), colour, line in zip(curves.items(), (ORANGE, BLUE, GREEN, PURPLE), ("-", "--", "-.", ":")):
    smooth = torch.tensor(curve).unfold(0, 10, 1).mean(1)
    left.semilogy(smooth, line, color=colour, label=name)
    right.barh(name, scores[name], color=colour)
    print(f"{name:13} last loss {smooth[-1]:.4f}   reversed exactly {scores[name]:.0%}")
left.set(xlabel="step", ylabel="loss, mean of 10 steps", title="What the teacher sees")
left.legend()
right.set(xlim=(0, 1), xlabel="reversed exactly", title="What it can do alone")
right.invert_yaxis()
fig.tight_layout()
plt.show()

# %% [markdown]
# The best loss belongs to a model that can do nothing. And look at yours beside the one that sees ahead: two curves
# of one kind, which cross here and there. Nobody could say which is which. In training the answer lies on the table;
# when a model writes, there is no such table. **A loss under teacher forcing is a statement about the next word,
# given the teacher's words.** What a model writes is another question, so ask it: let it write, and count. One of the
# checks of `greedy` did that with your parts.
#
# **Padding.** Now the second accident. Sources of four digits are filled up to twenty positions, as if a neighbour in
# the batch were that long; they are read with the mask and without.
#
# **Predict.** The model has never seen padding in training. Does it matter with the mask?


# %%
def filled(source, target):
    """Sources with sixteen positions of padding."""
    return F.pad(source, (0, 16), value=PAD), target


def everything(source):
    """A mask that hides nothing."""
    return torch.ones(len(source), 1, 1, source.shape[1], dtype=torch.bool)


print(f"alone    {exact(model):.0%} reversed exactly")
print(f"masked   {exact(model, filled):.0%}")
model.source_mask = everything  # on this one model, for a moment
print(f"unmasked {exact(model, filled):.0%}")
del model.source_mask

# %% [markdown]
# ## Beams
#
# Greedy takes the best next token and never looks back. But the best sentence may begin with the second best word.
# Search them all? With $V$ tokens there are $V^n$ texts of length $n$. *Beam search* keeps the few best beginnings at
# each length:
#
# 1. Start with one beginning: BOS, log-probability 0.
# 2. Continue *every* open beginning by *every* token. A continuation's log-probability is the sum of its tokens'.
# 3. Of all continuations together keep the `beams` most probable. Those that end in EOS are finished and set aside; the
#    others are the open beginnings of the next round, in which there are again `beams` places.
# 4. Stop when nothing is open, or after `limit` rounds; what is open then counts as finished, as it is.
# 5. Return the finished text with the highest *score*.
#
# **Length.** Each further token multiplies the probability by something below 1, so among finished texts the shortest
# have an unfair advantage. The paper divides the log-probability by the length penalty of Wu et al., with $\alpha =
# 0.6$:
#
# $$\text{score}(y) = \ln P(y) \Big/ \left(\frac{5 + n}{6}\right)^{\alpha}, \qquad
# n = \text{tokens after BOS, EOS included}$$
#
# Logarithms are negative: to divide by more makes the score *better*.


# %% nbgrader={"grade_id": "beam_search", "solution": true}
@torch.no_grad()
def beam_search(next_logs, beams, limit, alpha=0.6, bos=BOS, eos=EOS):
    """The best text for one source by the five steps above: -> (tokens, score), a list of ints without BOS, and a float.

    next_logs  function: N beginnings (N, t) int64, BOS included -> log-probabilities (N, V) of the token after each
    beams      how many continuations are kept in each round; there may be fewer than that
    limit      the most rounds, 1 or more
    The tokens include EOS if the text ends with one. N may differ from round to round.
    """

    ### BEGIN SOLUTION beam
    def score(total, n):
        return total / ((5 + n) / 6) ** alpha

    open_, totals, finished = torch.tensor([[bos]]), torch.zeros(1), []
    for n in range(1, limit + 1):
        continued = totals[:, None] + next_logs(open_)  # (N, V)
        V = continued.shape[1]
        totals, at = continued.flatten().topk(min(beams, continued.numel()))
        texts = torch.cat((open_[at // V], (at % V)[:, None]), dim=1)  # (beams, n + 1)
        ends = (texts[:, -1] == eos) | (n == limit)
        finished += [(score(total.item(), n), text.tolist()) for total, text in zip(totals[ends], texts[ends])]
        open_, totals = texts[~ends], totals[~ends]
        if not len(open_):
            break
    best, text = max(finished)
    return text[1:], best
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-beam", "grade": true, "points": 3}
check("beam")

# %% [markdown]
# A toy translator makes the point. It knows one sentence, `3 4 5 … 18`, and gives each right word a probability of 0.8,
# and each of two wrong ones 0.06. And at any moment it thinks with probability 0.05 that the sentence is over.
#
# **Predict.** Which is more probable under this model: the whole sentence of 16 words, or the empty one? What does a
# search with 1, 2, 3, 4 beams return without the penalty?


# %%
def hesitant(beginnings):
    """Log-probabilities of the next of 24 tokens; which word is right depends on how many there are."""
    right = beginnings.shape[1] + 2 if beginnings.shape[1] <= 16 else EOS
    p = torch.full((len(beginnings), 24), 0.0015)
    p[:, 19:21], p[:, EOS] = 0.06, 0.05
    p[:, right] = 0.8
    return (p / p.sum(1, keepdim=True)).log()


sentence = torch.tensor([[BOS, *range(3, 19), EOS]])
logs = torch.stack([hesitant(sentence[:, :t])[0] for t in range(1, 18)])  # (17, 24)
told = logs.gather(1, sentence[0, 1:, None]).cumsum(0)[:, 0]  # of the first 1, 2, … 17 tokens
stops = torch.cat((logs[:1, EOS], told[:-2] + logs[1:-1, EOS], told[-1:]))  # after 0, 1, … 16 words
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.5))
for alpha, colour, line in ((0.0, BLUE, "s--"), (0.6, ORANGE, "o-")):
    lengths = [len(beam_search(hesitant, beams, 20, alpha)[0]) - 1 for beams in (1, 2, 3, 4, 6, 10)]
    left.plot(range(6), lengths, line, color=colour, label=f"α = {alpha}")
    scores = stops / ((5 + torch.arange(1, 18)) / 6) ** alpha
    right.plot(scores, line, color=colour, label=f"α = {alpha}")
    right.plot(scores.argmax(), scores.max(), "o", color=colour, markersize=14, fillstyle="none")
left.set_xticks(range(6), (1, 2, 3, 4, 6, 10))
left.set(xlabel="beams", ylabel="words written", title="Searching harder finds the empty sentence")
left.legend(loc="center right")
right.set(xlabel="stop after so many right words", ylabel="score", title="The best place to stop")
fig.tight_layout()
plt.show()

# %% [markdown]
# $0.8^{16} = 0.03$, and the empty sentence has 0.05. A narrow beam does not find it, because at first there is always
# something better to keep. A wider one does find it, and *it is right*: under this model nothing is more probable.
# The better the search, the worse the translation. Stahlberg and Byrne searched exhaustively through a real
# translation model in 2019: for more than half of all sentences the most probable translation was the empty one. The
# penalty does not mend the model. It is a patch, with a name and an exponent.
#
# Your own model, with its own beam:

# %%
source = torch.tensor([[2, 7, 1, 8]]) + 3
memory = model.encode(source)


def after(beginnings):
    return model.decode(beginnings, memory.expand(len(beginnings), -1, -1))[:, -1].log_softmax(-1)


tokens, score = beam_search(after, beams=4, limit=8)
print([token - 3 for token in tokens if token > EOS], f"score {score:.3f}")

# %% [markdown]
# ## An open experiment
#
# Does the warm-up matter? Build `Transformer(13, C=32, H=2, W=64, encoders=6, decoders=6, dropout=0.0)` and train it
# for 300 steps (half a minute): once as above, once with `warmup=1`, which has the same rate from step 10 on.
# Then make the layers pre-norm, as GPT's are, by subclassing, and do both again. Which of the four learns? If you
# would rather know about length: train on four digits, and ask for the reverse of five. Guess first what it writes,
# and why.

# %%
# your experiment

# %% [markdown]
# ## In your own words
#
# What do you know now that you did not this morning? One or two sentences, as you would tell a colleague. For
# example: "The loss asks for the next word after the teacher's words. My best loss belonged to a model that could not
# write a single line, so now I let a model write before I believe its curve."

# %%
words = ""
if words:
    aha(words)
