# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 8
#     title: Recurrent nets
#     question: "A network reads a sequence one step at a time: what decides how long it remembers?"
#     hours: 5
#     track: core
#     week: 4
#     needs: []
#     sources:
#       - "Elman: Finding Structure in Time (1990)"
#       - "Bengio, Simard, Frasconi: Learning Long-Term Dependencies with Gradient Descent is Difficult (1994)"
#       - "Hochreiter, Schmidhuber: Long Short-Term Memory (1997); Gers et al.: Learning to Forget (2000)"
#       - "Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder (2014), the GRU"
#       - "Jozefowicz et al.: An Empirical Exploration of Recurrent Network Architectures (2015), the forget bias"
#       - "Williams, Peng: An Efficient Gradient-Based Algorithm for On-Line Training (1990), truncated backpropagation"
#     alone: [RNNCell, LSTMCell, GRUCell, unroll]
#     from_scratch:
#       - torch.nn.RNN
#       - torch.nn.GRU
#       - torch.nn.LSTM
#       - torch.nn.RNNCell
#       - torch.nn.GRUCell
#       - torch.nn.LSTMCell
#       - torch.nn.modules.rnn
#       - torch.rnn_tanh
#       - torch.rnn_tanh_cell
#       - torch.gru
#       - torch.gru_cell
#       - torch.lstm
#       - torch.lstm_cell
# ---

# %% [markdown]
# # Recurrent nets
#
# **A network reads a sequence one step at a time: what decides how long it remembers?**
#
# You are about to write the three cells that carried sequence modelling for twenty-five years, the loop that runs them,
# and an instrument that shows how far back a loss can be heard. At the end two networks with the same loss turn out to
# remember in quite different ways.
#
# Where this bites at work:
#
# - An alarm reads the last hundred log lines, and in effect only the last five matter. The data is fine. The gradient
#   from line one arrives a billion times too small, so nobody ever told the weights about line one.
# - A score for one customer depends on which customer was scored before. The model kept its state between two calls.
# - Training stops at the second batch with "Trying to backward through the graph a second time". Somebody adds
#   `retain_graph=True`, and from then on every step is slower than the one before.
#
# | letter | meaning |
# |---|---|
# | $B$, $T$, $C$ | sequences in a batch, time steps, channels of the input at one step |
# | $H$ | how many numbers a cell holds in $h$, its *hidden state* |
# | $K$ | how many classes there are to choose from |
# | $x_t$, $h_t$, $c_t$ | input, hidden state and (LSTM only) carried cell state at step $t$ |
# | $\sigma$, $\odot$ | the sigmoid $1/(1 + e^{-x})$; the product entry by entry |

# %%
from autograder import aha, check, hint, palette  # first: its judge warms up while the rest is imported

import itertools

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

INK, BLUE, ORANGE, GREEN, *_ = palette()
torch.set_num_threads(1)  # many small products, one after another: more threads would only wait for each other

# %% [markdown]
# ## A loop with a memory
#
# A layer maps $x$ to $h$. A recurrent cell maps $x_t$ *and what it said last* to $h_t$, with the same weights at every
# step:
#
# $$h_t = \tanh\left(x_t W_{ih}^\top + b_{ih} + h_{t-1} W_{hh}^\top + b_{hh}\right)$$
#
# What all three cells share is given. A cell is called with $x_t$ and a **state**, and returns the next state. A state
# is always a tuple, `(h,)` or for the LSTM `(h, c)`, so that the same loop runs them all. The names of the weights are
# PyTorch's; one bias would do here, and two let its weights fit in.


# %% nbgrader={"grade_id": "cell"}
class Cell(nn.Module):
    """The weights of a cell: `blocks` blocks of H rows, one below the other, in both matrices and both biases.

    gain  the size of W_hh: its largest eigenvalue is about as large as this
    """

    blocks = 1
    memories = 1  # tensors in the state

    def __init__(self, C, H, gain=0.5):
        super().__init__()
        self.C, self.H = C, H
        rows = self.blocks * H
        self.weight_ih = nn.Parameter(torch.randn(rows, C))
        self.weight_hh = nn.Parameter(torch.randn(rows, H) * gain / H**0.5)
        self.bias_ih = nn.Parameter(torch.zeros(rows))
        self.bias_hh = nn.Parameter(torch.zeros(rows))

    def blank(self, B):
        """Return the state of a cell that has seen nothing: a tuple of zeros, each (B, H)."""
        return tuple(self.bias_ih.new_zeros(B, self.H) for _ in range(self.memories))


# %% nbgrader={"grade_id": "rnn_cell", "solution": true}
class RNNCell(Cell):
    """The plain cell: weight_ih (H, C), weight_hh (H, H), bias_ih (H,), bias_hh (H,)."""

    def forward(self, x, state):
        """Take one step: x (B, C) and a state (h,) with h (B, H) -> the next state, also a tuple of one (B, H).

        tanh of: x times weight_ih transposed, plus bias_ih, plus h times weight_hh transposed, plus bias_hh.
        """
        ### BEGIN SOLUTION
        (h,) = state
        h = torch.tanh(x @ self.weight_ih.T + self.bias_ih + h @ self.weight_hh.T + self.bias_hh)
        return (h,)
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-rnn_cell", "grade": true, "points": 1}
check("rnn_cell")

# %% [markdown]
# ## Unrolling
#
# Written out step by step, the loop is a deep network: $T$ layers, one per step, that share their weights. Nothing else
# is needed to train it. Build the chain, and `loss.backward()` walks back through all of it, *backpropagation through
# time*.


# %% nbgrader={"grade_id": "unroll", "solution": true}
def unroll(cell, xs, state):
    """Feed a sequence to a cell, step after step: xs (B, T, C) -> the h of every step (B, T, H), and the last state.

    cell   called as cell(x, state) with x (B, C); returns the next state, a tuple whose first entry is h, (B, H)
    state  what the first step starts from; step t starts from the state that step t - 1 returned
    T is at least 1. Gradients flow through all steps, back into xs, the given state and the weights.
    """
    ### BEGIN SOLUTION
    hs = []
    for t in range(xs.shape[1]):
        state = cell(xs[:, t], state)
        hs.append(state[0])
    return torch.stack(hs, dim=1), state
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-unroll", "grade": true, "points": 2}
check("unroll")

# %% [markdown]
# **Predict.** A sequence of 12 steps is read in one go, and once more as 5 steps and then 7. What must be handed from
# the first part to the second so that all twelve $h$ agree? And how many more weights does a sequence of 1,000 need?

# %%
torch.manual_seed(0)
cell, xs = RNNCell(C=3, H=8), torch.randn(2, 12, 3)
whole, _ = unroll(cell, xs, cell.blank(2))
first, state = unroll(cell, xs[:, :5], cell.blank(2))
handed_on, _ = unroll(cell, xs[:, 5:], state)
forgotten, _ = unroll(cell, xs[:, 5:], cell.blank(2))
print("largest difference, state handed on:", (whole[:, 5:] - handed_on).abs().max().item())
print("largest difference, state forgotten:", (whole[:, 5:] - forgotten).abs().max().item())

# %% [markdown]
# The state is everything the past may say to the future. The weights never change in number. Keep the second line in
# mind for the day when a service restarts between two requests.
#
# ## One answer for a sequence
#
# Is this session an attack, does this review praise: one answer after the last step. Sequences in a batch differ in
# length, so the shorter ones are padded at the end, and "the last step" lies elsewhere in every row.


# %% nbgrader={"grade_id": "reader", "solution": true}
class Reader(nn.Module):
    """Reads a sequence to its end, and then says which of K classes it belongs to."""

    def __init__(self, cell, K):
        super().__init__()
        self.cell = cell
        self.head = nn.Linear(cell.H, K)

    def forward(self, xs, lengths=None):
        """Score each sequence by `head`, applied to the h after its last real step: (B, T, C) -> (B, K).

        lengths  whole numbers (B,) from 1 to T, a tensor: row b has lengths[b] real steps. What follows is padding,
                 any finite numbers, and does not change the scores. None means that all T steps are real.
        Every call is about new sequences and starts from the cell's blank state; no call leaves anything to the next.
        """
        ### BEGIN SOLUTION
        B, T, _ = xs.shape
        hs, _ = unroll(self.cell, xs, self.cell.blank(B))
        if lengths is None:
            lengths = torch.full((B,), T)
        return self.head(hs[torch.arange(B), lengths - 1])
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-reader", "grade": true, "points": 2}
check("reader")

# %% [markdown]
# The smallest task that needs a memory: four symbols come in at random, and after the last one the network must name
# the *first*. Everything between is noise. Guessing costs $\ln 4 = 1.386$.
#
# **Predict.** The plain cell holds 16 numbers, and two bits are all it must keep. Up to which $T$ does it learn the
# task in 45 steps of training?


# %%
def symbols(B, T, K=4):
    """Random symbols as input (B, T, K), one of the K channels 1 and the rest 0; and the symbols themselves (B, T)."""
    tokens = torch.randint(K, (B, T))
    return F.one_hot(tokens, K).float(), tokens


def adam(weights, rate):
    """Return a function that moves the weights against their gradients, and clears these; exercise 9 explains it."""
    weights = list(weights)
    kept = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
    steps = itertools.count(1)

    @torch.no_grad()
    def step():
        n = next(steps)
        for w, (mean, square) in zip(weights, kept, strict=True):
            mean.lerp_(w.grad, 0.1)
            square.lerp_(w.grad**2, 0.01)
            w -= rate * mean / (1 - 0.9**n) / ((square / (1 - 0.99**n)).sqrt() + 1e-8)
            w.grad = None

    return step


# %%
def learn(reader, T, steps=45, batch=symbols):
    """Train a reader, here to recall the first of T symbols; return the loss of every step."""
    torch.manual_seed(1)
    step, losses = adam(reader.parameters(), rate=0.03), []
    for _ in range(steps):
        xs, tokens = batch(128, T)
        loss = F.cross_entropy(reader(xs), tokens[:, 0])
        loss.backward()
        step()
        losses.append(loss.item())
    return losses


def newborn(kind, seed=1):
    torch.manual_seed(seed)
    return Reader(kind(C=4, H=16), K=4)


def at_the_end(losses):
    return sum(losses[-5:]) / 5


for T in (3, 6, 12):
    print(f"T = {T:2}:  loss {at_the_end(learn(newborn(RNNCell), T)):.3f}")

# %% [markdown]
# (With seven other seeds $T = 12$ ends the same way.) It is not short of room: sixteen numbers could hold
# the symbol of step one for ever. Something keeps the weights from *finding* that out, and it lies on the way back.
#
# ## How far back the loss is heard
#
# You need an instrument. Nudge the input of step $t$: by how much does the loss move? That is the norm of
# $\partial L/\partial x_t$, and plotted over $t$ it shows which steps training can learn about at all.


# %% nbgrader={"grade_id": "gradient_norms", "solution": true}
def gradient_norms(cell, xs, state, loss):
    """Measure how strongly a loss depends on the input of each step: xs (B, T, C) -> a tensor of norms (T,).

    cell, state  as for `unroll`
    loss         called as loss(hs) with the h of every step (B, T, H); returns a scalar
    Entry t is the root of the sum of squares, over B and C, of the gradient of the loss with respect to xs[:, t];
    0 where the loss does not depend on that step. It is a measurement: xs, its grad and the grads of the weights are
    afterwards as they were before, and the norms carry no graph.
    """
    ### BEGIN SOLUTION
    xs = xs.detach().requires_grad_()
    hs, _ = unroll(cell, xs, state)
    (slopes,) = torch.autograd.grad(loss(hs), xs)
    return slopes.norm(dim=(0, 2))
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-gradient_norms", "grade": true, "points": 2}
check("gradient_norms")

# %% [markdown]
# Start with the smallest cell there is: one number, $h_t = \tanh(w\,h_{t-1} + x_t)$. An impulse $x_0 = 1$ comes in,
# then nothing.
#
# **Predict.** Take $w = 0.5$, $0.95$ and $2$. Which of the three still holds something of the impulse after 20 steps?
# And for which is $\partial h_{20} / \partial x_0$ the largest?


# %%
def one_number(w):
    cell = RNNCell(C=1, H=1)
    with torch.no_grad():
        cell.weight_ih.fill_(1.0)
        cell.weight_hh.fill_(w)
    return cell


impulse = torch.zeros(1, 21, 1)
impulse[0, 0] = 1.0
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5))
for w, colour, style in ((0.5, BLUE, "--"), (0.95, GREEN, "-."), (2.0, ORANGE, "-")):
    cell = one_number(w)
    hs, _ = unroll(cell, impulse, cell.blank(1))
    norms = gradient_norms(cell, impulse, cell.blank(1), lambda hs: hs[0, -1, 0])
    left.plot(hs[0, :, 0].detach(), style, color=colour, label=f"w = {w}")
    right.semilogy(norms, style, color=colour)
left.set(xlabel="step t", ylabel="state h", title="What is left of an impulse")
right.set(xlabel="step t", ylabel="slope of the last h", title="How far back the last step hears")
right.yaxis.set_major_formatter("{x:.0e}")
left.legend()
fig.subplots_adjust(wspace=0.3)
plt.show()

# %% [markdown]
# At $w = 2$ the state snaps to 0.957 and stays there: a perfect memory. And its slope falls *fastest* of the three. The
# state sits where tanh is flat, so each step multiplies the slope by $2\,(1 - 0.957^2) = 0.17$. A memory that noise
# cannot shake is one that a nudge cannot teach: what the cell holds firmly, it cannot be trained about. Bengio and his
# colleagues proved in 1994 that this is no accident.
#
# With $H$ numbers the factor becomes a matrix. The way from $h_T$ back to $h_t$ is a product of $T - t$ of them,
#
# $$\frac{\partial h_T}{\partial h_t} = \prod_{s=t+1}^{T} \mathrm{diag}\left(1 - h_s^2\right) W_{hh}$$
#
# and a product of many similar factors vanishes, explodes, or happens to stand on the edge between.
#
# **Predict.** `gain` is about the largest eigenvalue of $W_{hh}$. Which gain keeps the slope alive over 40 steps: 0.5,
# 1, 2 or 4?


# %%
def heard(cell, T=40):
    """Gradient norms of a loss on the last h alone, over 16 random sequences."""
    torch.manual_seed(2)
    xs, _ = symbols(16, T)
    weights = torch.randn(cell.H)
    return gradient_norms(cell, xs, cell.blank(16), lambda hs: (hs[:, -1] @ weights).sum())


def per_step(norms):
    return (norms[0] / norms[-1]) ** (1 / (len(norms) - 1))


for gain in (0.5, 1.0, 2.0, 4.0):
    torch.manual_seed(0)
    norms = heard(RNNCell(C=4, H=32, gain=gain))
    print(f"gain {gain}:  {norms[0]:7.0e} at the first step; a factor of {per_step(norms):.2f} each step back")

# %% [markdown]
# Not 1, because tanh takes its share at every step; and near 2 it is a knife's edge. To the left the early steps fall
# silent, to the right they drown everything. Exercise 9 clips what explodes. What has vanished cannot be clipped back.
#
# ## A state that is added to
#
# Look for the culprit in the formula: $h_t$ is *made anew* at each step, out of a product with $W_{hh}$ and through a
# tanh. The LSTM keeps a second vector $c$ that is never multiplied by a matrix nor squashed on its way. Three gates,
# numbers between 0 and 1, decide what is kept of it, what is added, and what is shown:
#
# $$\begin{aligned}
# i, f, o &= \sigma(\ldots) & g &= \tanh(\ldots)
# & (\ldots) &= x_t W_{ih}^\top + b_{ih} + h_{t-1} W_{hh}^\top + b_{hh} \\
# c_t &= f \odot c_{t-1} + i \odot g & h_t &= o \odot \tanh(c_t)
# \end{aligned}$$
#
# Each of the four has its own block of rows, in PyTorch's order $i, f, g, o$. Along $c$ the way back is now
# $\partial c_t / \partial c_{t-1} = f$ (plus what goes through the gates): a number of the cell's own choosing.


# %% nbgrader={"grade_id": "lstm_cell", "solution": true}
class LSTMCell(Cell):
    """Long short-term memory: weight_ih (4H, C), weight_hh (4H, H), bias_ih (4H,), bias_hh (4H,).

    The blocks of H rows are, from the top: input gate i, forget gate f, candidate g, output gate o.
    """

    blocks = 4
    memories = 2

    def forward(self, x, state):
        """Take one step: x (B, C) and a state (h, c), each (B, H) -> the next state, a tuple (h, c), each (B, H)."""
        ### BEGIN SOLUTION
        h, c = state
        blocks = x @ self.weight_ih.T + self.bias_ih + h @ self.weight_hh.T + self.bias_hh
        i, f, g, o = blocks.chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, c
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-lstm_cell", "grade": true, "points": 2}
check("lstm_cell")

# %% [markdown]
# **Predict.** Both networks are untrained, and their biases are 0. By which factor per step does the slope of the plain
# cell fall, and by which that of the LSTM? For the second, ask what a forget gate says that nobody has told anything.

# %%
for kind in (RNNCell, LSTMCell):
    torch.manual_seed(0)
    norms = heard(kind(C=4, H=32))
    print(f"{kind.__name__:8}  {norms[0]:7.0e} at the first step; a factor of {per_step(norms):.2f} each step back")

# %% [markdown]
# ## A gate left open
#
# That disappoints people who were told that LSTMs do not forget. A gate without opinion is half open: $\sigma(0) =
# 0.5$, and after 12 steps $0.5^{12} = 0.0002$ is left. The architecture offers a road; whether it is open at birth is
# one number. With a bias $\beta$ on the forget gate,
#
# $$\left.\frac{\partial c_T}{\partial c_0}\right|_{\text{along } c} \approx \sigma(\beta)^{T},
# \qquad \text{half-life} = \frac{\ln 2}{-\ln \sigma(\beta)}: \quad
# 1.0, \ 2.2 \text{ and } 14.3 \text{ steps for } \beta = 0, 1, 3$$


# %% nbgrader={"grade_id": "forget_bias", "solution": true}
def open_forget_gate(cell, bias=1.0):
    """Set the bias of an LSTMCell's forget gate, in place.

    Afterwards bias_ih + bias_hh is `bias` for every number of the forget gate, whatever stood there before. All other
    entries of the weights are as before, and everything can still be trained.
    """
    ### BEGIN SOLUTION
    forget = slice(cell.H, 2 * cell.H)
    with torch.no_grad():
        cell.bias_ih[forget] = bias
        cell.bias_hh[forget] = 0.0
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-forget_bias", "grade": true, "points": 2}
check("forget_bias")

# %% [markdown]
# **Predict.** On a logarithmic axis each of these curves is about a straight line. How much of a slope is left at step
# 0 for the plain cell, and for LSTMs with $\beta = 0$, $1$ and $3$?


# %%
def with_bias(cell, bias):
    open_forget_gate(cell, bias)
    return cell


torch.manual_seed(0)
curves = [(f"RNN, gain {gain}", RNNCell(4, 32, gain), BLUE, style) for gain, style in ((0.5, "-"), (1.0, "--"))]
styles = ((0.0, ":"), (1.0, "--"), (3.0, "-"))
curves += [(f"LSTM, β = {bias:.0f}", with_bias(LSTMCell(4, 32), bias), ORANGE, style) for bias, style in styles]
fig, ax = plt.subplots(figsize=(7.5, 4.2))
for label, cell, colour, style in curves:
    norms = heard(cell)
    ax.semilogy(norms, style, color=colour)
    ax.text(-0.8, norms[0], label, color=colour, ha="right", va="center")
ax.set(xlim=(-11, 40), xticks=range(0, 40, 10), xlabel="step t", ylabel="norm of the gradient at step t")
ax.set_title("What a loss at step 39 hears of the steps before it, in untrained cells")
ax.yaxis.set_major_formatter("{x:.0e}")
plt.show()

# %% [markdown]
# The LSTM lines fall by a little less than $\sigma(\beta)$ per step would have it: of 32 gates, those that happen to
# stand open longest are heard longest. Now train them.
#
# **Predict.** The same data, the same network, one number differs. Which of the three learns to recall the first of 12
# symbols in 45 steps?


# %%
def smooth(losses):
    return torch.tensor(losses).unfold(0, 4, 1).mean(1)


born = {}
fig, ax = plt.subplots(figsize=(7, 3.8))
for bias, colour, style in ((0.0, BLUE, ":"), (1.0, GREEN, "--"), (3.0, ORANGE, "-")):
    reader = newborn(LSTMCell)
    open_forget_gate(reader.cell, bias)
    born[bias] = learn(reader, T=12)
    ax.plot(smooth(born[bias]), style, color=colour, label=f"β = {bias:.0f}")
ax.axhline(1.386, color=INK, linewidth=0.8)
ax.text(42, 1.47, "guessing", color=INK, ha="right")
ax.set(xlabel="step of training", ylabel="loss, mean of 4", ylim=(0, 1.6))
ax.set_title("One number at birth")
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# At 3 it has learned within 30 steps, at 1 it begins to after 15, at 0 it is deaf: the first symbol's share in the
# gradient is smaller than the noise of a batch. All three are the same network and can *represent* the answer equally
# well. Libraries differ here: Keras starts at 1, PyTorch near 0.
#
# ## Two gates instead of three
#
# The GRU gets by with one vector. An update gate $z$ mixes the old $h$ with a candidate $n$, so that keeping and adding
# always sum to 1; a reset gate $r$ decides how much of the past the candidate sees:
#
# $$\begin{aligned}
# r &= \sigma\left(x W_{ir}^\top + b_{ir} + h W_{hr}^\top + b_{hr}\right) \qquad
# z = \sigma\left(x W_{iz}^\top + b_{iz} + h W_{hz}^\top + b_{hz}\right) \\
# n &= \tanh\left(x W_{in}^\top + b_{in} + r \odot \left(h W_{hn}^\top + b_{hn}\right)\right) \\
# h' &= (1 - z) \odot n + z \odot h
# \end{aligned}$$
#
# Two other forms are honest: the first paper resets $h$ *before* the product with $W_{hn}$, and some swap $z$ and
# $1 - z$. This lesson takes PyTorch's, as above, where both halves of the candidate can be computed at once.


# %% nbgrader={"grade_id": "gru_cell", "solution": true}
class GRUCell(Cell):
    """The gated recurrent unit: weight_ih (3H, C), weight_hh (3H, H), bias_ih (3H,), bias_hh (3H,).

    The blocks of H rows are, from the top: reset gate r, update gate z, candidate n.
    """

    blocks = 3

    def forward(self, x, state):
        """Take one step: x (B, C) and a state (h,) with h (B, H) -> the next state, also a tuple of one (B, H).

        The reset gate multiplies h W_hn + b_hn, after the product and its bias; z keeps the old h, 1 - z lets n in.
        """
        ### BEGIN SOLUTION
        (h,) = state
        x_r, x_z, x_n = (x @ self.weight_ih.T + self.bias_ih).chunk(3, dim=-1)
        h_r, h_z, h_n = (h @ self.weight_hh.T + self.bias_hh).chunk(3, dim=-1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * h_n)
        return ((1 - z) * n + z * h,)
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-gru_cell", "grade": true, "points": 2}
check("gru_cell")

# %% [markdown]
# **Predict.** How many weights do the three have at $C = 10$, $H = 20$? Which of them can forget what it held and let
# nothing new in?

# %%
for kind in (RNNCell, GRUCell, LSTMCell):
    print(f"{kind.__name__:8} {sum(p.numel() for p in kind(C=10, H=20).parameters()):5} weights")

# %% [markdown]
# Only the LSTM can: shut both gates. In the GRU what leaves makes room for exactly as much.
#
# ## Sequences without an end
#
# A log has no last line, and the graph behind a loss grows with every step. So the walk back is cut: read $k$ steps,
# walk back through these, move the weights, go on. Across a border go the *numbers* of the state and no gradient:
# *truncated* backpropagation through time.


# %% nbgrader={"grade_id": "truncated_bptt", "solution": true}
def truncated_bptt(cell, xs, ys, state, k, loss, step):
    """Train along a sequence, chunk by chunk of k steps; return the chunks' losses, as floats, and the last state.

    xs, ys  (B, T, C) and (B, T, ...), cut at the same places; the last chunk is shorter where k does not divide T
    state   what the first chunk starts from; each later one starts from the numbers that the chunk before ended with
    loss    called once for each chunk as loss(hs, ys) with that chunk's h and targets; returns a scalar
    step    called without arguments after each chunk, when its gradients are in .grad: moves the weights, clears .grad
    No gradient crosses a border between chunks or reaches the given state, and the last state carries no graph.
    """
    ### BEGIN SOLUTION
    losses = []
    for start in range(0, xs.shape[1], k):
        state = tuple(memory.detach() for memory in state)
        hs, state = unroll(cell, xs[:, start : start + k], state)
        value = loss(hs, ys[:, start : start + k])
        value.backward()
        step()
        losses.append(value.item())
    return losses, tuple(memory.detach() for memory in state)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-truncated_bptt", "grade": true, "points": 2}
check("truncated_bptt")

# %% [markdown]
# A stream of symbols, and at every step the network must name the one from three steps ago. Two runs with $k = 10$: in
# one the state crosses the borders, in the other each chunk starts from a blank one.
#
# **Predict.** Draw the loss over the ten positions in a chunk, for both.


# %%
def echo(k, carry, total=400, lag=3, B=64):
    """Train on an echo in chunks of k; return the loss by position in the chunk, over the last quarter."""
    torch.manual_seed(0)
    cell, head = RNNCell(4, 24), nn.Linear(24, 4)
    step = adam([*cell.parameters(), *head.parameters()], rate=0.015)
    xs, tokens = symbols(B, total + lag)
    xs, ys, rows = xs[:, lag:], tokens[:, :-lag], []

    def loss(hs, ys):
        each = F.cross_entropy(head(hs).transpose(1, 2), ys, reduction="none")
        rows.append(each.detach().mean(0))
        return each.mean()

    length = total if carry else k  # a call for the whole stream, or one from a blank state for every chunk
    for start in range(0, total, length):
        piece = slice(start, start + length)
        truncated_bptt(cell, xs[:, piece], ys[:, piece], cell.blank(B), k, loss, step)
    return torch.stack(rows[-len(rows) // 4 :]).mean(0)


fig, ax = plt.subplots(figsize=(7, 3.6))
ax.plot(range(1, 11), echo(10, carry=False), "s--", color=BLUE, label="blank state for every chunk")
ax.plot(range(1, 11), echo(10, carry=True), "o-", color=ORANGE, label="state carried across")
ax.axhline(1.386, color=INK, linewidth=0.8)
ax.text(10, 1.41, "guessing", color=INK, ha="right")
ax.set(xlabel="position in the chunk", ylabel="loss", xticks=range(1, 11), title="What a dropped state costs")
ax.legend(loc="center right")
plt.show()

# %% [markdown]
# Without the state the first three positions can only guess, in every chunk, for ever. The average, about 0.5, looks like a
# network that needs more training.
#
# **Predict.** The symbol lies three steps back. With $k = 2$ no gradient ever reaches it. Does the loss stay at 1.386?

# %%
for k in (2, 4):
    print(f"k = {k:2}:  loss {echo(k, carry=True).mean():.3f}")

# %% [markdown]
# It falls all the same, and four steps are enough for nearly all of it. The numbers do cross the border: whatever the
# recurrent weights happen to keep, the head can learn to read. Only to *improve* what is kept takes a gradient that
# goes back as far as the thing that matters. Choose $k$ longer than the distances you care about, and do not conclude
# from a falling loss that it is.
#
# ## See it work: ask at another time
#
# Back to recalling the first symbol, with $T = 6$. All three cells learn that: their losses end near 0.
#
# **Predict.** Trained to answer after step 6, they are now asked after each of 40 steps. What do the curves look like?
# Draw all three before you run the cell.

# %%
fig, axes = plt.subplots(3, 1, figsize=(7.5, 5.2), sharex=True, sharey=True)
for ax, kind, colour in zip(axes, (RNNCell, GRUCell, LSTMCell), (BLUE, GREEN, ORANGE), strict=True):
    reader = newborn(kind)
    if kind is LSTMCell:
        open_forget_gate(reader.cell)
    losses = learn(reader, T=6)
    with torch.no_grad():
        xs, tokens = symbols(200, 40)
        hs, _ = unroll(reader.cell, xs, reader.cell.blank(200))
        right = (reader.head(hs).argmax(-1) == tokens[:, :1]).float().mean(0)
    ax.plot(range(1, 41), right, "o-", color=colour, markersize=3.5)
    ax.axhline(0.25, color=INK, linewidth=0.8)
    ax.axvline(6, color=INK, linewidth=0.8, linestyle=":")
    ax.set(ylabel="right", ylim=(-0.06, 1.06))
    ax.set_title(f"{kind.__name__}, loss {at_the_end(losses):.3f} at T = 6", color=colour, fontsize="small")
axes[-1].text(40, 0.3, "guessing", color=INK, ha="right", fontsize="small")
axes[-1].set_xlabel("asked after step")
fig.subplots_adjust(hspace=0.4)
plt.show()

# %% [markdown]
# The plain cell did not learn to hold the symbol. It learned to *pass it round*: the answer circles through the state
# and stands where the head looks at every fourth step, 6 among them. Between, it is right *less* often than a
# guess would be. The gated cells learned to hold, and though they never saw more than 6 steps they answer after 40.
# The loss at $T = 6$ could not tell the two apart; only a question that training did not ask could.
#
# ## Watch it break
#
# **First break.** Somebody detaches the state at every step, to save memory. All shapes are right, all values too, and
# every weight gets a gradient.
#
# **Predict.** What will your instrument show, and where will the loss end?


# %%
class DetachedLSTM(LSTMCell):
    def forward(self, x, state):
        return super().forward(x, tuple(memory.detach() for memory in state))


reader = newborn(DetachedLSTM)
open_forget_gate(reader.cell)
print("norms at the last five steps:", [round(norm, 3) for norm in heard(reader.cell)[-5:].tolist()])
print(f"loss at T = 12: {at_the_end(learn(reader, 12, steps=20)):.3f}")

# %% [markdown]
# **Second break.** In the first LSTM, that of 1997, there was no forget gate: $c_t = c_{t-1} + i \odot g$. A slope of
# exactly 1 along $c$, for ever. Two tasks: recall the first symbol, and recall the *latest marked* one, where a fifth
# channel marks some of the symbols.
#
# **Predict.** On which of the two tasks is it better than yours, and on which is it worse?


# %%
class NeverForgets(LSTMCell):
    def forward(self, x, state):
        h, c = state
        i, _, g, o = (x @ self.weight_ih.T + self.bias_ih + h @ self.weight_hh.T + self.bias_hh).chunk(4, -1)
        c = c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


def marked(B, T):
    """Symbols with a fifth channel that marks some of them; the answer, in column 0, is the latest marked one."""
    xs, tokens = symbols(B, T)
    marks = torch.rand(B, T) < 0.3
    marks[:, 0] = True
    latest = (marks * torch.arange(1, T + 1)).argmax(1)
    return torch.cat([xs, marks[:, :, None].float()], 2), tokens[torch.arange(B), latest][:, None]


def run(kind, C, batch):
    torch.manual_seed(1)
    reader = Reader(kind(C=C, H=16), K=4)
    open_forget_gate(reader.cell)
    return learn(reader, 12, steps=30, batch=batch)


tasks = {
    "Recall the first": (born[1.0][:30], run(NeverForgets, 4, symbols)),
    "Recall the latest marked": (run(LSTMCell, 5, marked), run(NeverForgets, 5, marked)),
}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True)
for ax, (title, (yours, theirs)) in zip(axes, tasks.items(), strict=True):
    ax.plot(smooth(yours), color=ORANGE, label="yours")
    ax.plot(smooth(theirs), "--", color=BLUE, label="never forgets")
    ax.set(xlabel="step of training", title=title)
axes[0].set_ylabel("loss, mean of 4")
axes[0].legend()
fig.subplots_adjust(wspace=0.1)
plt.show()

# %% [markdown]
# On the task that everybody shows, the cell without a forget gate wins. Had you tested your LSTM on that alone, the
# mistake would have looked like an improvement. What is never cleared piles up, and the second task finds it out. A
# memory is as good as what it can let go of.
#
# ## An open experiment
#
# Take $h$ out of the GRU: let $z$ and $n$ depend on $x_t$ alone, and drop $r$. Then
# $h_t = z_t \odot h_{t-1} + (1 - z_t) \odot n_t$ is linear in $h$, every $z_t$ and $n_t$ is known before the first step
# is taken, and the loop can be run in $\log_2 T$ rounds instead of $T$. State-space models such as Mamba live on this.
# What can such a cell no longer do in one layer? Guess, then try it on both tasks above.

# %%
# your experiment

# %% [markdown]
# ## In your own words
#
# What do you know now that you did not this morning? One or two sentences, as you would tell a colleague. For example:
# "My LSTM was deaf because its forget gate was born half open; one number, and it learned. And two networks with the
# same loss remembered in different ways, which I saw only when I asked at a time that training never did."

# %%
words = ""
if words:
    aha(words)
