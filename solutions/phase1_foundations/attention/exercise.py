# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 13
#     title: Attention
#     question: "How does a word fetch what it needs from any other word in one step, and never look where it must not?"
#     hours: 4
#     track: core
#     week: 6
#     needs: []
#     sources:
#       - "Vaswani et al.: Attention Is All You Need (2017), sections 3.2.1 to 3.2.3"
#       - "Bahdanau, Cho, Bengio: Neural Machine Translation by Jointly Learning to Align and Translate (2015)"
#       - "Andrej Karpathy, Neural Networks: Zero to Hero, lecture 7: let's build GPT"
#       - "Elhage et al.: A Mathematical Framework for Transformer Circuits (2021), on induction heads"
#       - "Olsson et al.: In-context Learning and Induction Heads (2022)"
#     alone: [masked_softmax, split_heads, merge_heads, MultiHeadAttention]
#     from_scratch:
#       - torch.nn.functional.scaled_dot_product_attention
#       - torch.nn.functional.multi_head_attention_forward
#       - torch.nn.MultiheadAttention
#       - torch.nn.modules.activation.MultiheadAttention
#       - torch.nn.attention
#       - torch.nn.Transformer
#       - torch.nn.TransformerEncoder
#       - torch.nn.TransformerEncoderLayer
#       - torch.nn.TransformerDecoder
#       - torch.nn.TransformerDecoderLayer
#       - torch.ops
# ---

# %% [markdown]
# # Attention
#
# **How does a word fetch what it needs from any other word in one step, and never look where it must not?**
#
# A recurrent net squeezes all it has read into one vector, and hopes. Attention keeps every position, and lets each
# one ask all the others. You are about to write it: eight short functions and one module, which is the only place in
# a transformer where words meet. Everything else in there treats each word by itself. At the end two such layers,
# trained for seconds, invent a little algorithm, and you will read it off their maps.
#
# Where this bites at work:
#
# - The training loss of a language model is splendid and the text it writes is noise. Its mask lets every word see
#   one word too many: the one it is asked for.
# - A document gets one score alone and another in a batch of 32. Its neighbours are longer, and it attends to its own
#   padding.
# - One empty document in a batch, and after the next step every weight is NaN. The loss was fine.
# - A port from another library runs, and answers nonsense. Over there, True in a mask means *hidden*.
#
# | letter | meaning |
# |---|---|
# | $B$ | batch: texts |
# | $T$ | time: positions in a text; $T_q$ and $T_k$ where those who ask and those who answer differ |
# | $C$ | channels: numbers per position |
# | $H$ | heads |
# | $D = C / H$ | numbers per head |
# | $q, k, v$ | queries, keys and values |
#
# Shapes are written like `(B, T, C)`; `…` stands for any axes in front. Below a stub, `check("…")` gives the verdict
# and `hint("…")` a nudge.

# %%
from autograder import aha, check, hint, palette  # first: its judge warms up while the rest is imported

import math
import random

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.colors import LinearSegmentedColormap
from torch import nn

INK, BLUE, ORANGE, GREEN, *_ = palette()
torch.set_num_threads(1)  # these tensors are small: more threads would only wait for one another

# %% [markdown]
# ## A dictionary that answers every question
#
# A Python dict compares your question with its keys, finds the one that is equal, and hands you its value. Ask for
# something in between, and you get a KeyError. No slope leads through that, so nothing can be learned from it.
#
# Attention is the dict that never misses. It scores *every* key by how well it fits the query, turns the scores into
# shares that sum to 1, and returns the mixture of all values in these shares. Move the query a little, and the answer
# moves a little. How well does a key fit? Take the dot product: large where the two point the same way, 0 where they
# have nothing to do with each other, negative where they disagree.
#
# One detail decides whether it trains. If the numbers in $q$ and $k$ have mean 0 and variance 1, then $q \cdot k$ is
# a sum of $D$ products, and its variance is $D$. At $D = 64$ scores of $\pm 8$ are nothing special, and $e^{8}$ is
# 2981. So the sum is brought back to the size of one product:
#
# $$S_{ij} = \frac{q_i \cdot k_j}{\sqrt{D}}$$


# %% nbgrader={"grade_id": "attention_scores", "solution": true}
def attention_scores(q, k):
    """Score every key for every query: (…, Tq, D), (…, Tk, D) -> (…, Tq, Tk).

    Entry (i, j) is the dot product of query i and key j over the square root of D (Vaswani et al., equation 1).
    There may be any number of axes in front, none too; they are the same for q and k. Tq, Tk and D may all differ.
    """
    ### BEGIN SOLUTION
    return q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-attention_scores", "grade": true, "points": 1}
check("attention_scores")

# %% [markdown]
# **Predict.** Queries and keys are drawn from a normal distribution. Say for each $D$ how far a bare dot product
# typically is from 0, and how far one of your scores is.

# %%
guess = {4: (0, 0), 64: (0, 0), 1024: (0, 0)}
for D, (bare, scaled) in guess.items():
    q, k = torch.randn(50, D), torch.randn(60, D)
    sizes = (q @ k.T).std(), attention_scores(q, k).std()
    print(f"D = {D:4}: bare {sizes[0]:5.1f}, yours {sizes[1]:.2f}; you said {bare} and {scaled}")

# %% [markdown]
# ## Who may look at whom
#
# Scores become shares by a softmax along each row: one row per query, one share per key.
#
# $$A_{ij} = \frac{M_{ij}\, e^{S_{ij}}}{\sum_l M_{il}\, e^{S_{il}}}, \qquad
# M_{ij} = 1 \text{ where } i \text{ may look at } j, \text{ else } 0$$
#
# A hidden key must be as good as absent: it gets no share, *and it takes none away from the others*. Three things
# here are a matter of agreement or of care.
#
# - **True means: may look.** `F.scaled_dot_product_attention` reads it so. `nn.MultiheadAttention`, from the same
#   library, reads True as *hidden*. There is no deeper reason; write it down wherever you pass a mask.
# - **A row without a single True** is 0 over 0. It happens: an empty document, a row of padding. We agree on zeros,
#   so that such a query fetches nothing.
# - **Scores may be large**, also those of hidden keys. $e^{1000}$ is infinite in a float, and infinite over infinite
#   is NaN.


# %% nbgrader={"grade_id": "masked_softmax", "solution": true}
def masked_softmax(scores, mask=None):
    """Turn each row of scores into shares of the keys: (…, Tq, Tk) -> (…, Tq, Tk).

    mask  bool, broadcastable to the shape of scores, True = may look; None: every key may be looked at
    A row is the softmax over its True positions, and exactly 0 at the others; what is hidden has no influence.
    A row without a True is all zeros, and the gradient that it passes back is 0, not NaN.
    Scores may be as large as ±1000, hidden ones too.
    """
    ### BEGIN SOLUTION
    if mask is None:
        return scores.softmax(-1)
    # Not -inf: a row of nothing else would be NaN, and come back to haunt the gradient.
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(-1).masked_fill(~mask, 0.0)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-masked_softmax", "grade": true, "points": 2}
check("masked_softmax")

# %% [markdown]
# **Predict.** Three keys score 2, 1 and 1. The first one gets 58% of the shares. Hide it. What do the other two get?
# And what if all three are hidden?

# %%
scores = torch.tensor([2.0, 1.0, 1.0])
for may_look in ([True, True, True], [False, True, True], [False, False, False]):
    print(may_look, masked_softmax(scores[None], torch.tensor([may_look]))[0])

# %% [markdown]
# ## How many does it look at?
#
# A row of shares can rest on one key or be spread over a hundred. One number tells: the exponential of its entropy.
# For a uniform row over $n$ keys it is $n$, and for a row with all its weight on one key it is 1. You know it from
# the bigram model, as perplexity: there it counted the letters between which the model hesitates.
#
# $$\text{spread}_i = \exp\Bigl(-\sum_j A_{ij} \ln A_{ij}\Bigr), \qquad 0 \ln 0 = 0$$


# %% nbgrader={"grade_id": "spread", "solution": true}
def spread(weights):
    """Count the keys that each query looks at, as the exponential of the entropy of its row: (…, Tq, Tk) -> (…, Tq).

    Rows sum to 1. Logarithms are natural. A weight of exactly 0 adds nothing.
    """
    ### BEGIN SOLUTION
    return (-torch.xlogy(weights, weights).sum(-1)).exp()
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-spread", "grade": true, "points": 1}
check("spread")

# %% [markdown]
# Now the price of leaving out $\sqrt{D}$ can be seen. 64 random keys, none better than another: this is a head on its
# first day.
#
# **Predict.** Over how many of the 64 keys does a random query spread with your scores, and over how many with bare
# dot products at $D = 256$? Does the first number depend on $D$?

# %%
widths = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
bare, scaled = [], []
for D in widths:
    q, k = torch.randn(300, D), torch.randn(64, D)
    bare.append(spread(masked_softmax(q @ k.T)).mean())
    scaled.append(spread(masked_softmax(attention_scores(q, k))).mean())

fig, ax = plt.subplots(figsize=(6.5, 3.6))
ax.semilogx(widths, scaled, "o-", color=ORANGE, base=2, label="over the square root of D")
ax.semilogx(widths, bare, "s--", color=BLUE, base=2, label="bare dot products")
ax.set(xlabel="numbers per head, D", ylabel="keys looked at, of 64", ylim=(0, 64))
ax.set_title("Unscaled, a wide head stares at one key before it has learned anything")
ax.legend()
plt.show()

# %% [markdown]
# A row that stares at one key is a softmax in its flat part. Nudge a score, and no share moves: hardly any gradient
# gets through, and what the head happened to stare at on its first day it keeps staring at. (In a small model you
# will not notice. With 8 or 16 numbers per head training goes well without the root, which is why the loss curve is
# no test.)
#
# ## Two masks
#
# Two reasons to hide something come up all the time. A language model must not look **ahead**: position $i$ is asked
# for the word at $i + 1$. And texts of a batch are filled up to one length with **padding**, which nobody should look
# at.
#
# **Predict.** In the causal mask, how many True are there in the first row? If your answer is 0, what would the first
# word do?


# %% nbgrader={"grade_id": "causal_mask", "solution": true}
def causal_mask(T):
    """Let every position look at itself and at what came before: -> (T, T) bool, True = row i may look at column j."""
    ### BEGIN SOLUTION masks
    return torch.ones(T, T, dtype=torch.bool).tril()
    ### END SOLUTION


# %% nbgrader={"grade_id": "padding_mask", "solution": true}
def padding_mask(lengths, T):
    """Let everybody look at the real positions of their own text: (B,) int64, T -> (B, 1, 1, T) bool, True = may look.

    Text b has lengths[b] real positions, from 0 to T of them, and they stand first.
    The two axes of size 1 stand for all heads and all queries, so that the mask broadcasts to (B, H, Tq, T).
    """
    ### BEGIN SOLUTION masks
    real = torch.arange(T, device=lengths.device) < lengths[:, None]
    return real[:, None, None, :]
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-masks", "grade": true, "points": 2}
check("masks")

# %% [markdown]
# Masks are joined by `&`: look where both allow it. The axes of size 1 do the rest.

# %%
fades = {colour: LinearSegmentedColormap.from_list("fade", [colour + "00", colour]) for colour in (BLUE, ORANGE, GREEN)}


def draw_map(ax, weights, words=(), colour=BLUE, most=1.0, **labels):
    """Draw a (Tq, Tk) map: clear where it is 0, full colour from `most` on; `words` are written at both sides."""
    ax.imshow(weights, cmap=fades[colour], vmin=0, vmax=most)
    ax.set(**labels)
    ax.set_xticks(range(len(words)), words, rotation=90)
    ax.set_yticks(range(len(words)), words)
    ax.spines[:].set_visible(True)


words = "we saw a fox - -".split()
causal, padding = causal_mask(6), padding_mask(torch.tensor([4]), 6)
masks = {"causal": causal, "padding": padding[0, 0].expand(6, 6), "causal & padding": (causal & padding)[0, 0]}
fig, axes = plt.subplots(1, 3, figsize=(8.5, 3.3))
for ax, (title, allowed) in zip(axes, masks.items()):
    draw_map(ax, allowed, words, title=title, xlabel="is looked at")
axes[0].set_ylabel("looks")
fig.suptitle("Blue: may look. Rows ask, columns answer")
fig.tight_layout()
plt.show()

# %% [markdown]
# The rows of the two padding positions are not empty: padding may look, only nobody looks at it. What it fetches is
# thrown away later, and an empty row saved is a NaN avoided.
#
# ## Attention
#
# Now put it together. The output of query $i$ is the mixture of all values in its shares:
#
# $$\text{Attention}(q, k, v) = A\,v, \qquad
# A = \text{softmax}\Bigl(\frac{q\,k^\top}{\sqrt{D}}\Bigr) \text{ under the mask}$$
#
# While training, *dropout* on $A$ cuts some looks at random, so that no head relies on one word alone. `F.dropout`'s
# rule: each weight becomes 0 with probability $p$, and the others are divided by $1 - p$, which keeps the sum of a
# row at 1 on average. When the model is used, nothing is cut.


# %% nbgrader={"grade_id": "scaled_dot_product_attention", "solution": true}
def scaled_dot_product_attention(q, k, v, mask=None, dropout=0.0, training=False):
    """Fetch for every query a mixture of the values: -> (output (…, Tq, Dv), weights (…, Tq, Tk)).

    q (…, Tq, D), k (…, Tk, D), v (…, Tk, Dv); Dv may differ from D
    mask      bool, broadcastable to (…, Tq, Tk), True = may look; None: no limits
    dropout   probability, below 1, of cutting a weight, by the rule of nn.functional.dropout
    training  only with True is anything cut
    A query that may look nowhere has zeros for weights and output. The weights returned are those that the values were
    mixed with: in training, the ones after dropout.
    """
    ### BEGIN SOLUTION attention
    weights = masked_softmax(attention_scores(q, k), mask)
    weights = F.dropout(weights, dropout, training)
    return weights @ v, weights
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-attention", "grade": true, "points": 2}
check("attention")

# %% [markdown]
# **Predict.** The values of six words are 0, 10, 20, 30, 40, 50, and all queries and keys are zero. What does each
# word fetch under the causal mask?

# %%
nothing, values = torch.zeros(6, 3), torch.arange(0.0, 60.0, 10.0)[:, None]
fetched, weights = scaled_dot_product_attention(nothing, nothing, values, causal_mask(6))
print(fetched.T)

# %% [markdown]
# Who asks nothing in particular gets the average of all it may see. This is what an untrained head does.
#
# ## Many heads
#
# One row of shares is one question. "What is the verb?" and "what came just before me?" are two, and an average of
# both answers is neither. So the $C$ channels are dealt out to $H$ heads with $D = C / H$ each. Head $h$ takes the
# channels from $hD$ up to $(h+1)D$, and every head attends by itself; afterwards their answers are laid side by side
# again.
#
# On paper that is `(B, T, C)` to `(B, H, T, D)`, and this is where most home-made attention goes wrong: a tensor can
# be given a shape without its numbers getting into the right places, and no error will tell.
#
# **Predict.** One text, three positions, two heads of two channels each. Which six numbers belong to the first head?
# And which does a plain `reshape` to `(B, H, T, D)` give it?

# %%
x = torch.tensor([[[10, 11, 12, 13], [20, 21, 22, 23], [30, 31, 32, 33]]])  # the first position holds 10 to 13
print(x.reshape(1, 2, 3, 2)[0, 0])


# %% nbgrader={"grade_id": "split_heads", "solution": true}
def split_heads(x, H):
    """Deal the channels out to H heads: (B, T, C) -> (B, H, T, D), where D = C // H.

    Head h gets the channels from h * D up to (h + 1) * D of every position. x need not be contiguous.
    """
    ### BEGIN SOLUTION heads
    return x.unflatten(-1, (H, -1)).transpose(1, 2)
    ### END SOLUTION


# %% nbgrader={"grade_id": "merge_heads", "solution": true}
def merge_heads(x):
    """Lay the heads side by side again, (B, H, T, D) -> (B, T, C): the inverse of split_heads, for any memory layout."""
    ### BEGIN SOLUTION heads
    return x.transpose(1, 2).flatten(2)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-heads", "grade": true, "points": 2}
check("heads")

# %% [markdown]
# ## The module
#
# Where do $q$, $k$ and $v$ come from? From the words themselves, by three learned matrices: what a word asks, how it
# can be found, and what it hands over are three different things. Pronouns ask for names; names can be found as
# names, and hand over a meaning.
#
# $$\text{MultiHead}(x, c) = \text{out}\bigl(\text{merge}(\text{Attention}(\text{split}(\text{query}(x)),\,
# \text{split}(\text{key}(c)),\, \text{split}(\text{value}(c))))\bigr)$$
#
# If $c = x$, a text asks itself: *self-attention*. If $c$ is another text, it is *cross-attention*: the words of a
# translation ask the words of the original. Only where the keys and values come from is different.


# %% nbgrader={"grade_id": "multi_head_attention", "solution": true}
class MultiHeadAttention(nn.Module):
    """H heads that attend side by side, between learned projections (Vaswani et al., section 3.2.2)."""

    def __init__(self, C, H, dropout=0.0, bias=True):
        super().__init__()
        if C % H:
            raise ValueError(f"{C} channels cannot be dealt out evenly to {H} heads")
        self.H, self.dropout = H, dropout
        self.query = nn.Linear(C, C, bias=bias)
        self.key = nn.Linear(C, C, bias=bias)
        self.value = nn.Linear(C, C, bias=bias)
        self.out = nn.Linear(C, C, bias=bias)

    def forward(self, x, context=None, mask=None, return_weights=False):
        """Let every position of x ask the context: (B, T, C), (B, Tk, C) -> (B, T, C).

        context         (B, Tk, C), where keys and values come from; None: x itself (self-attention)
        mask            bool, broadcastable to (B, H, T, Tk), True = may look; None: no limits
        return_weights  with True the result is (output, weights), where weights (B, H, T, Tk) are those of every head
        Dropout, with probability self.dropout, is on the weights and only in training mode (self.training).
        """
        ### BEGIN SOLUTION
        context = x if context is None else context
        q, k, v = self.query(x), self.key(context), self.value(context)
        q, k, v = (split_heads(part, self.H) for part in (q, k, v))
        heads, weights = scaled_dot_product_attention(q, k, v, mask, self.dropout, self.training)
        y = self.out(merge_heads(heads))
        return (y, weights) if return_weights else y
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-multi_head_attention", "grade": true, "points": 3}
check("multi_head_attention")

# %% [markdown]
# **Predict.** How many weights has the module with $C = 512$ and $H = 8$? And with $H = 16$?

# %%
for H in (8, 16):
    print(H, "heads:", f"{sum(p.numel() for p in MultiHeadAttention(512, H).parameters()):,} weights")

# %% [markdown]
# Heads are free: they cut the same channels into more questions, each with fewer numbers to ask it with.
#
# Now the second of the four accidents at the top. A text of three words is read alone, and then in the company of a
# text of seven, filled up with four positions of padding.
#
# **Predict.** In which of the two lines below is there a 0?

# %%
torch.manual_seed(0)
layer = MultiHeadAttention(32, 4)
short, padded = torch.randn(1, 3, 32), torch.randn(1, 7, 32)
padded[:, :3] = short
alone = layer(short)
for name, mask in {"no mask": None, "padding mask": padding_mask(torch.tensor([3]), 7)}.items():
    print(f"{name:12}  the three words change by up to {(layer(padded, mask=mask)[:, :3] - alone).abs().max():.1e}")

# %% [markdown]
# (Up to the last digit of a float: sums of other lengths are rounded in another order.)
#
# ## See it work
#
# A text that repeats itself: between 4 and 9 different words out of 16, over and over. From the second round on every
# word can be foretold, if one knows how to look: *find the place where this word stood before, and see what came
# next.* How long a round is differs from text to text, so counting back a fixed number of positions is no use.
#
# The model has two layers of your attention, word and position embeddings, and nothing else: no feed-forward part, no
# norms.

# %%
VOCABULARY = "we they saw heard a the red old quick fox owl near under my your barn".split()
T = 20


class Reader(nn.Module):
    """Foretell the next word by two layers of attention: (B, T) int64 -> (B, T, 16); `maps` are the last weights."""

    def __init__(self, attention=MultiHeadAttention, mask=None, C=32, H=2):
        super().__init__()
        self.word, self.position = nn.Embedding(len(VOCABULARY), C), nn.Embedding(T, C)
        self.layers = nn.ModuleList([attention(C, H), attention(C, H)])
        self.head = nn.Linear(C, len(VOCABULARY))
        self.mask = causal_mask(T) if mask is None else mask

    def forward(self, ids):
        n = ids.shape[1]
        x, self.maps = self.word(ids) + self.position.weight[:n], []
        for layer in self.layers:
            y, weights = layer(x, mask=self.mask[:n, :n], return_weights=True)
            x = x + y
            self.maps.append(weights.detach())
        return self.head(x)


def texts(B):
    """Draw B texts that repeat themselves, (B, T + 1), and the length of each one's round, (B, 1)."""
    rounds = torch.randint(4, 10, (B, 1))
    order = torch.rand(B, len(VOCABULARY)).argsort(-1)
    return order.gather(1, torch.arange(T + 1) % rounds), rounds


def train(model, steps=150):
    """Train on what can be foretold, from the second round on; return the losses."""
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=7e-3), []
    for _ in range(steps):
        ids, rounds = texts(32)
        known = torch.arange(T) >= rounds
        loss = F.cross_entropy(model(ids[:, :-1])[known], ids[:, 1:][known])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


torch.manual_seed(0)
reader = Reader()
losses = train(reader)
print(f"loss {losses[0]:.2f} at first (blind guessing: {math.log(16):.2f}), {losses[-1]:.3f} after {len(losses)} steps")

# %% [markdown]
# **Predict.** Here is a text of eight words, twice. In the second layer, what should the second "saw" look at: the
# first "saw", or something else? Which cells of a map would then have colour?

# %%
words = "we saw a red fox near my barn".split() * 2
ids = torch.tensor([[VOCABULARY.index(word) for word in words]])
reader(ids)
fig, axes = plt.subplots(2, 2, figsize=(9, 9.4))
for i, row in enumerate(axes):
    for h, ax in enumerate(row):
        weights = reader.maps[i][0, h]
        looks = spread(weights)[8:].mean()
        title = f"layer {i + 1}, head {h + 1}: in round two over {looks:.1f} words"
        draw_map(ax, weights, words, [BLUE, ORANGE][i], title=title)
    row[0].set_ylabel("looks")
fig.suptitle("The first layer looks one word back; the second looks at what came next last time")
fig.tight_layout()
plt.show()

# %% [markdown]
# Nobody told it. In the first round, the heads of layer 1 look one word back: they write into every word *what stood
# before it*. Then the second "saw" asks layer 2 for "a word that has 'saw' before it", finds "a", and fetches it.
# What came next last time will come next again.
#
# It takes two layers, since the key of "a" can only say "I come after 'saw'" when somebody has told it. Elhage,
# Olsson and others call the second of the pair an *induction head*, and found it in language models of every size
# that they opened. It is one way to continue a pattern that is in your prompt and never was in the training data.
#
# ## Watch it break
#
# **First break: one word too many.** Below is a second reader, whose mask has its edge one column further to the
# right. The two runs are called A and B as a coin has settled. One falls sooner, the other ends lower.
#
# **Predict.** Which one is yours? Decide before you run the cell after the next.

# %%
torch.manual_seed(0)
cheat = Reader(mask=torch.ones(T, T).tril(1).bool())
mine, other = random.sample("AB", 2)
curves = {mine: losses, other: train(cheat)}

fig, ax = plt.subplots(figsize=(6.5, 3.6))
ax.semilogy(curves["A"], color=ORANGE, label="A")
ax.semilogy(curves["B"], "--", color=BLUE, label="B")
ax.set(xlabel="step", ylabel="loss", title="One of these two readers peeks")
ax.legend()
plt.show()

# %% [markdown]
# In training the answer lies on the table, and nothing but the mask covers it. So ask where there is no future: give
# each only the words up to some position, and let it name the next.

# %%
ids, rounds = texts(300)
with torch.no_grad():
    for name, model in {mine: reader, other: cheat}.items():
        right = [model(ids[:, :n])[:, -1].argmax(-1) == ids[:, n] for n in range(10, T)]
        print(f"{name}: names the next word in {torch.stack(right).float().mean():.0%} of all cases")
print(f"Yours was {mine}.")

# %% [markdown]
# The run that fell sooner was copying. It stops near 0.1 only because the last of the twenty positions has no next
# word to copy; in a text of a thousand that would be lost in the noise, and the copy would win from the first step to
# the last.
#
# You need not train to find this out. *Future tokens cannot change the past*, and that can be measured: nudge
# position $s$ of the input and see which positions $t$ of the output move. This is the test to run on every model
# with a mask.


# %%
def influence(f, x):
    """Measure how much each output leans on each input: (T, T), entry (t, s) the size of d f(x)[0, t] / d x[0, s]."""
    x = x.clone().requires_grad_()
    y = f(x)
    return torch.stack([torch.autograd.grad(out.sum(), x, retain_graph=True)[0][0].norm(dim=-1) for out in y[0]])


# %% [markdown]
# **Second break: heads cut off the wrong side.** The third reader splits its heads by `reshape` alone, as in the cell
# of the prediction above, and puts them together the same way. All shapes are right.
#
# **Predict.** With 12 positions and 2 heads, which inputs can reach the last position's output?


# %%
class WrongCut(MultiHeadAttention):
    """Heads by reshape alone: every shape is right."""

    def forward(self, x, mask=None, return_weights=False):
        B, T, C = x.shape
        q, k, v = (layer(x).reshape(B, self.H, T, C // self.H) for layer in (self.query, self.key, self.value))
        heads, weights = scaled_dot_product_attention(q, k, v, mask)
        y = self.out(heads.reshape(B, T, C))
        return (y, weights) if return_weights else y


torch.manual_seed(0)
right, wrong, x = MultiHeadAttention(32, 2), WrongCut(32, 2), torch.randn(1, 12, 32)
layers = {
    "yours": influence(lambda x: right(x, mask=causal_mask(12)), x),
    "one word too many": influence(lambda x: right(x, mask=torch.ones(12, 12).tril(1).bool()), x),
    "heads by reshape": influence(lambda x: wrong(x, mask=causal_mask(12)), x),
}
fig, axes = plt.subplots(1, 3, figsize=(9, 3.5))
for ax, (title, map_) in zip(axes, layers.items()):
    draw_map(ax, map_.sqrt(), colour=GREEN, most=map_.max().sqrt(), title=title, xlabel="input position s")
axes[0].set_ylabel("output position t")
fig.suptitle("Which input moves which output")
fig.tight_layout()
plt.show()

# %% [markdown]
# On the right nothing leaks from the future, and nothing comes from far away: each "head" got one half of the *text*
# instead of one half of the channels. Does the loss notice?

# %%
torch.manual_seed(0)
chopped = Reader(WrongCut)
print(f"heads by reshape: loss {train(chopped)[-1]:.3f}; yours: {losses[-1]:.3f}")

# %% [markdown]
# Here it does, because here everything depends on looking far back. On ordinary text, where most of the loss is about
# the last few words, it would be a little worse than it could be, and nobody would know.
#
# **Third break: the empty document.** Not ours this time. This is `nn.MultiheadAttention` with four texts, of which
# the third is empty. Its `key_padding_mask` wants True for *hidden*, so ours is turned round. The loss leaves the
# empty text out.
#
# **Predict.** Is the loss NaN? Is the gradient?

# %%
torch.manual_seed(0)
theirs, x = nn.MultiheadAttention(32, 4, batch_first=True), torch.randn(4, 5, 32)
may_look = padding_mask(torch.tensor([5, 3, 0, 1]), 5)
y, _ = theirs(x, x, x, key_padding_mask=~may_look[:, 0, 0])
loss = (y[[0, 1, 3]] ** 2).mean()
loss.backward()
spoilt = sum(p.grad.isnan().sum().item() for p in theirs.parameters())
print(f"loss {loss:.3f}; NaN in {spoilt:,} of {sum(p.numel() for p in theirs.parameters()):,} slopes")

layer = MultiHeadAttention(32, 4)
(layer(x, mask=may_look)[[0, 1, 3]] ** 2).mean().backward()
print(f"yours: NaN in {sum(p.grad.isnan().sum().item() for p in layer.parameters())}")

# %% [markdown]
# The empty text's upstream gradient is 0, and 0 times NaN is NaN. The weights are shared by all texts, so one empty
# document takes them all down with the next step. That is why the stub of `masked_softmax` asked for a clean
# gradient, not only for zeros.
#
# ## What it costs
#
# Everybody looks at everybody: $T^2$ scores, for every head and every text.
#
# **Predict.** One layer with 12 heads, one text, weights of 4 bytes. How much memory do the maps take at $T = 1024$,
# and at $T = 32{,}768$?

# %%
for length in (1024, 8192, 32_768):
    print(f"T = {length:6,}: {12 * length**2 * 4 / 2**30:6.2f} GiB of maps in one layer")

# %% [markdown]
# That is why `F.scaled_dot_product_attention` never writes the maps down. It walks over the keys in blocks, keeps a
# running softmax, and mixes the values as it goes: the same output, no map to plot. (And why `nn.MultiheadAttention`
# is faster with `need_weights=False`.) It is worth trusting, since you know what it has to return:

# %%
q, k, v = torch.randn(3, 2, 4, 10, 8).unbind()
fused = F.scaled_dot_product_attention(q, k, v, attn_mask=causal_mask(10))
print(f"largest difference: {(fused - scaled_dot_product_attention(q, k, v, causal_mask(10))[0]).abs().max():.0e}")

# %% [markdown]
# ## An open experiment
#
# Attention by itself knows no order: shuffle the words, and every word fetches the same as before. So the reader was
# given position embeddings. Take them away (set `reader.position.weight` to zero and keep it there) and train again.
# Guess first: can it still find out what came just before? Then do it once more with a mask full of True, and ask
# yourself what the causal mask has been telling the model all along. A third layer is allowed.

# %%
# your experiment

# %% [markdown]
# ## In your own words
#
# What do you know now that you did not this morning? One or two sentences, as you would tell a colleague. For
# example: "The run with the better loss had simply seen the answer. Since then I do not look at a curve before I have
# drawn which input moves which output."

# %%
words = ""
if words:
    aha(words)
