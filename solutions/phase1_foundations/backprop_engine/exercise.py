# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 1
#     title: Backprop engine
#     question: "How does one walk back through a calculation find out what every number in it did to the result?"
#     hours: 5
#     track: core
#     week: 1
#     needs: []
#     sources:
#       - "Andrej Karpathy, Neural Networks: Zero to Hero, lecture 1: building micrograd"
#       - "Baydin et al.: Automatic Differentiation in Machine Learning: a Survey (2018), section 3"
#       - "Griewank, Walther: Evaluating Derivatives (2nd edition, 2008), chapters 3 and 4: the cheap gradient"
#       - "Rumelhart, Hinton, Williams: Learning representations by back-propagating errors (1986)"
#     alone: [Value]
#     from_scratch: [torch, autograd, jax, micrograd, tinygrad]
# ---

# %% [markdown]
# # Backprop engine
#
# **How does one walk back through a calculation find out what every number in it did to the result?**
#
# You are about to write `Value`: a number that behaves like a float and remembers how it was made. Call `.backward()`
# on a result, and every number behind it learns how much the result would move if it moved. It is plain Python, one
# number at a time, and it is what `loss.backward()` does in PyTorch. At the end it trains a small network.
#
# Where this bites at work:
#
# - The memory of a training job climbs until the job is killed. Somebody keeps `loss` in a list, and every loss
#   holds on to all the numbers that it was made from.
# - A weight never moves. Three functions away a `.item()` cut it off from the loss, and no error says so.
# - A hand-written backward pass is wrong, and the loss falls all the same. Further down is one that falls *lower*
#   than the right one.
#
# | letter | meaning |
# |---|---|
# | $L$ | the result, the root of the graph |
# | $v$ | any number behind it |
# | $\bar v = \partial L/\partial v$ | the slope of $L$ with respect to $v$, which `v.grad` holds |
# | $h$ | a small nudge |
# | $n$ | how many inputs there are |
#
# Below a stub, `check("…")` gives the verdict on your code, and `hint("…")` a nudge: three levels, one more each time.

# %%
from autograder import aha, check, hint, method, palette  # first: its judge warms up while the rest is imported

import gc
import math
import random
import time
from unittest.mock import patch

import matplotlib.pyplot as plt

INK, BLUE, ORANGE, GREEN, *_ = palette()
gc.freeze()  # the collector need not search what was just imported

# %% [markdown]
# ## A slope is a measured nudge
#
# Take $L = (a \cdot b + a) \cdot c$ at $a = 3$, $b = -4$, $c = 2$. The slope $\partial L/\partial a$ answers one
# question: when $a$ grows by a little, by how many times that little does $L$ grow? That can be tried without any
# calculus.
#
# **Predict.** $a$ goes from 3 to 3.001. Does $L$ rise or fall, and by how many thousandths? Put your number in `guess`
# before you run the cell.


# %%
def example(point):
    a, b, c = point
    return (a * b + a) * c


guess = 0
before, after = example([3.0, -4.0, 2.0]), example([3.001, -4.0, 2.0])
print(f"L went from {before:.3f} to {after:.3f}, by {1000 * (after - before):+.1f} thousandths; you said {guess:+}")

# %% [markdown]
# A nudge to one side leans: on a curve, the slope between $x$ and $x + h$ is the slope at neither end. Nudge to both
# sides and the lean cancels:
#
# $$\frac{\partial f}{\partial x_i} \approx \frac{f(\ldots, x_i + h, \ldots) - f(\ldots, x_i - h, \ldots)}{2h},
# \qquad \text{error} \approx \tfrac{h^2}{6} f'''$$
#
# Make this your measuring stick. It is slow, but it knows no calculus, so it cannot share a mistake with the engine.


# %% nbgrader={"grade_id": "numeric_gradient", "solution": true}
def numeric_gradient(f, point, h=1e-4):
    """Measure the slope of f in every coordinate of a point: list of n floats -> list of n floats.

    f      takes a list of n floats and returns a float
    point  a list of n floats, the same after the call as before
    h      the nudge; entry i is (f with x_i + h, minus f with x_i - h) over 2h, where only x_i differs from `point`
    """
    ### BEGIN SOLUTION
    slopes = []
    for i in range(len(point)):
        above, below = list(point), list(point)
        above[i] += h
        below[i] -= h
        slopes.append((f(above) - f(below)) / (2 * h))
    return slopes
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-numeric_gradient", "grade": true, "points": 1}
check("numeric_gradient")

# %% [markdown]
# **Predict.** The slope of $\sin x$ at 1 is $\cos 1$. Which two-sided nudge comes closest to it: $10^{-2}$, $10^{-5}$
# or $10^{-12}$? And which of the two rules below wins at $10^{-2}$?

# %%
nudges = [10 ** (-k / 4) for k in range(2, 53)]
truth = math.cos(1.0)
two_sided = [abs(numeric_gradient(lambda p: math.sin(p[0]), [1.0], h)[0] - truth) for h in nudges]
one_sided = [abs((math.sin(1.0 + h) - math.sin(1.0)) / h - truth) for h in nudges]

fig, ax = plt.subplots(figsize=(6.5, 3.6))
ax.loglog(nudges, one_sided, "--", color=BLUE, label="nudged to one side")
ax.loglog(nudges, two_sided, color=ORANGE, label="nudged to both sides")
ax.set(xlabel="nudge h", ylabel="error of the slope", title="A smaller nudge helps until rounding takes over")
ax.legend()
plt.show()

# %% [markdown]
# To the right the curve of the function does the harm, to the left the sixteen digits of a float do: subtract two
# numbers that agree in twelve digits, and four are left. The nudge `1e-4` is a fair compromise.
#
# The price is the real trouble. One slope takes two runs, so $n$ slopes take $2n$. A small GPT has 124 million
# weights: one step of training would take 248 million runs of the model. The rest of this lesson gets all $n$
# slopes from one run forward and one walk back.
#
# ## A number that remembers
#
# To walk back, there must be a trail. `Value` holds a number and what it was made from; call it a *node*, or a *leaf*
# if it was not computed. The operation that makes a node also leaves with it a *step back*: a function without
# arguments, defined inside the operation, where it sees the new node and its parents.


# %% nbgrader={"grade_id": "value"}
class Value:
    """A number that remembers what it was made from.

    data       the number, int or float
    grad       the slope of L with respect to this number, once L.backward() has run; 0.0 until then
    _parents   the nodes that it was computed from; none for a leaf
    _op        the operation as text, for drawings only
    _backward  the step back, called without arguments: adds to each parent's grad its share of this node's grad
    """

    def __init__(self, data, parents=(), op=""):
        self.data = data
        self.grad = 0.0
        self._parents = parents
        self._op = op
        self._backward = lambda: None

    def __repr__(self):
        return f"Value({self.data:.4g}, grad={self.grad:.4g})"


# %% [markdown]
# Fixed by this lesson: `Value(x)`, `.data`, `.grad`, `.backward()`, and the operators and functions that follow. Free:
# everything with an underscore. Pairs of parent and slope in a list serve as well as a function; if you prefer that,
# rewrite the class. The checks do not look; only the drawings and the two broken engines near the end do.
#
# ## Addition
#
# $s = a + b$. Nudge $a$ by $h$ and $s$ moves by $h$: the *local slope* of $s$ with respect to each parent is 1. If
# $L$ moves by $\bar s$ for every unit of $s$, then it moves by $\bar s \cdot 1$ for every unit of $a$:
#
# $$\bar a \mathrel{+}= \bar s \cdot 1, \qquad \bar b \mathrel{+}= \bar s \cdot 1$$
#
# The `+=` is half of this lesson. You will see what happens without it.


# %% nbgrader={"grade_id": "add", "solution": true}
@method(Value)
def __add__(self, other):
    """Return `self + other`, a new node made from both; `other` is a Value, an int or a float.

    A plain number becomes a leaf of its own. The operands keep their data and their grad.
    Step back: each operand's grad grows by the new node's grad, times 1. In `a + a` it grows twice.
    """
    ### BEGIN SOLUTION
    other = other if isinstance(other, Value) else Value(other)
    out = Value(self.data + other.data, (self, other), "+")

    def step_back():
        self.grad += out.grad
        other.grad += out.grad

    out._backward = step_back
    return out
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-add", "grade": true, "points": 1}
check("add")

# %% [markdown]
# That verdict was about the numbers alone; the steps back are judged with `backward`, which is the first to call them.
# Until then, call one by hand.
#
# **Predict.** $L$ is $s$ itself, so $\bar s = 1$. What do the two leaves get?

# %%
a, b = Value(3.0), Value(-4.0)
s = a + b
s.grad = 1.0
s._backward()
print(a, b, s)

# %% [markdown]
# ## Counting roads
#
# The next cell is given; it draws a graph with the leaves on the left, the result on the right, and on every arrow
# the local slope.


# %%
def depths(node, found):
    """Fill `found` with the length of the longest road from a leaf to each node behind `node`; walks every road."""
    found[node] = max([depths(parent, found) + 1 for parent in node._parents], default=0)
    return found[node]


def local_slopes(node):
    """What each parent gets when `node` alone steps back from a grad of 1: a dict; every grad is put back after."""
    saved = {v: v.grad for v in (node, *node._parents)}
    for parent in node._parents:
        parent.grad = 0.0
    node.grad = 1.0
    node._backward()
    slopes = {parent: parent.grad for parent in node._parents}
    for v, grad in saved.items():
        v.grad = grad
    return slopes


def places(root):
    """Where each node is drawn, (x, y): a column for each depth, a leaf just before its first use."""
    found, place, columns = {}, {}, {}
    depths(root, found)
    for v in found:
        first_use = min([found[w] for w in found if v in w._parents], default=found[v] + 1)
        columns.setdefault(found[v] if v._parents else first_use - 1, []).append(v)
    for x in sorted(columns):
        for i, v in enumerate(columns[x]):
            place[v] = 1.7 * x, (len(columns[x]) - 1) / 2 - i
    return place


def draw(root, title, **names):
    """Draw the graph behind `root`; names are given as `a=a`."""
    place, letters = places(root), {v: letter for letter, v in names.items()}
    xs, ys = zip(*place.values(), strict=True)
    size = max(xs) + 1.6, max(ys) - min(ys) + 1.9
    _, ax = plt.subplots(figsize=(1.15 * size[0], 1.15 * size[1]))
    ax.set(xlim=(-0.8, max(xs) + 0.8), ylim=(min(ys) - 0.95, max(ys) + 0.95), title=title, aspect="equal")
    ax.axis("off")
    arrow = {"arrowstyle": "-|>", "color": INK, "shrinkA": 24, "shrinkB": 24}
    for node, (x, y) in place.items():
        for parent, slope in local_slopes(node).items():
            x0, y0 = place[parent]
            bend = 0.0 if x - x0 < 2 else -0.4 if y0 >= 0 else 0.4
            ax.annotate("", (x, y), (x0, y0), arrowprops={**arrow, "connectionstyle": f"arc3,rad={bend}"})
            middle = (x + x0 + bend * (y - y0)) / 2, (y + y0 - bend * (x - x0)) / 2 + 0.12
            ax.text(*middle, f"{slope:.3g}", color=GREEN, ha="center", va="center")
        colour = ORANGE if node is root else INK if node._parents else BLUE
        label = " = ".join(filter(None, (letters.get(node), node._op))) + f"\n{node.data:.3g}\ngrad {node.grad:.3g}"
        box = {"boxstyle": "round", "facecolor": "none", "edgecolor": colour, "linewidth": 1.5}
        ax.text(x, y, label, color=colour, ha="center", va="center", bbox=box)
    plt.show()


# %%
a, b = Value(3.0), Value(-4.0)
c = a + b
d = c + a
L = c + d
draw(L, "Where numbers are only added, every local slope is 1", a=a, b=b, c=c, d=d, L=L)

# %% [markdown]
# A nudge of $a$ reaches $L$ once along every road from $a$ to $L$, unchanged. So $\partial L/\partial a$ is the *number
# of roads*.
#
# **Predict.** How many roads lead from $a$ to $L$, and how many from $b$? Count, then let your measuring stick count.

# %%
guess = {"a": 0, "b": 0}
measured = numeric_gradient(lambda point: (point[0] + point[1]) + ((point[0] + point[1]) + point[0]), [3.0, -4.0])
print(f"measured: a {measured[0]:.2f}, b {measured[1]:.2f}; you said {guess}")

# %% [markdown]
# Now walk back by hand. $L$ steps first, then $d$, then $c$.
#
# **Predict.** What happens to $\bar a$ if $c$ steps before $d$?

# %%
for steps in ("L d c", "L c d"):
    a, b = Value(3.0), Value(-4.0)
    c = a + b
    d = c + a
    L = c + d
    node = {"L": L, "c": c, "d": d}
    L.grad = 1.0
    for letter in steps.split():
        node[letter]._backward()
    print(f"steps {steps}:  a.grad {a.grad:.0f}, b.grad {b.grad:.0f}, c.grad {c.grad:.0f}")

# %% [markdown]
# In the second line $c$ ends with the right slope and its parents with wrong ones: $c$ had passed on 1 when the other 1
# came in. A node may pass on what it holds only when everything made from it has spoken:
#
# $$\bar v = \sum_{w \text{ made from } v} \bar w \cdot \frac{\partial w}{\partial v}$$
#
# This is the chain rule, and it sums over the arrows that leave $v$, not over the roads to $L$. An order of the
# nodes in which each one comes before everything it was made from is called *topological*. Finding one, without
# walking every road, is the one algorithm of this lesson.


# %% nbgrader={"grade_id": "backward", "solution": true}
@method(Value)
def backward(self):
    """Set `grad`, in every node behind this one, to the slope of this one with respect to it.

    This node's own grad becomes 1.0. Then every node behind it steps back exactly once, and only after all the nodes
    made from it (on the way to this one) did. What arrives is added to the grad that is there: nothing is cleared, so
    two results over the same leaves add up, and clearing is up to the caller. A node is itself, whatever number it
    holds: two nodes may hold equal numbers. Time grows with the number of nodes, not of roads; a chain of 500
    operations works. It is called once for a graph: a second call on the same graph is outside the contract.
    """
    ### BEGIN SOLUTION
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent in node._parents:
                visit(parent)
            order.append(node)

    visit(self)
    self.grad = 1.0
    for node in reversed(order):
        node._backward()
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-backward", "grade": true, "points": 3}
check("backward")

# %% [markdown]
# Now a graph in which each number is the sum of the two before it: $t_k = t_{k-1} + t_{k-2}$. The roads back to the
# first are counted by the Fibonacci numbers.
#
# **Predict.** How many roads are there for 90 such sums, and how much longer than for 10 will `backward` take?

# %%
for sums in (10, 30, 60, 90):
    first, second = Value(1.0), Value(1.0)
    before, last = first, second
    for _ in range(sums):
        before, last = last, last + before
    start = time.perf_counter()
    last.backward()
    seconds = time.perf_counter() - start
    print(f"{sums} sums  {first.grad:8.3g} roads  {1e6 * seconds:6.0f} microseconds")
    if seconds > 1:
        break  # it walks every road, and would be at it for years

# %% [markdown]
# At a billion roads a second the last line would take 91 years. It walked no roads. It crossed 180 arrows, each once,
# because what a node passes on is already the sum over every road that leads from it to $L$. That one idea is
# backpropagation; what follows only puts weights on the arrows.
#
# A bonus, not graded: ten thousand additions in a row. If your search for the order calls itself once for every node,
# Python gives up long before. How would you remember where to go on, without calls that wait for one another?

# %%
root = Value(0.0)
for _ in range(10_000):
    root = root + 1
try:
    root.backward()
    print("10,000 deep: works")
except RecursionError:
    print("10,000 deep: RecursionError")

# %% [markdown]
# ## Weighing roads: multiplication
#
# $p = a \cdot b$. Nudge $a$ by $h$ and $p$ moves by $b \cdot h$: the local slope with respect to one factor is the
# other. A nudge is now scaled at every arrow, and $\partial L/\partial a$ is the sum over all roads of the *product*
# of the slopes along the road. The walk back stays as it is:
#
# $$\bar a \mathrel{+}= \bar p \cdot b, \qquad \bar b \mathrel{+}= \bar p \cdot a$$


# %% nbgrader={"grade_id": "mul", "solution": true}
@method(Value)
def __mul__(self, other):
    """Return `self * other`, a new node made from both; `other` is a Value, an int or a float.

    A plain number becomes a leaf of its own. The operands keep their data and their grad.
    Step back: each operand's grad grows by the new node's grad times the data of the other operand.
    """
    ### BEGIN SOLUTION
    other = other if isinstance(other, Value) else Value(other)
    out = Value(self.data * other.data, (self, other), "*")

    def step_back():
        self.grad += other.data * out.grad
        other.grad += self.data * out.grad

    out._backward = step_back
    return out
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-mul", "grade": true, "points": 2}
check("mul")

# %% [markdown]
# Back to $L = (a \cdot b + a) \cdot c$.
#
# **Predict.** Two roads lead from $a$ to $L$. What is the product of the slopes along each, and what is their sum?
# You have measured it at the top.

# %%
a, b, c = Value(3.0), Value(-4.0), Value(2.0)
L = (a * b + a) * c
L.backward()
draw(L, "A slope is the sum over roads of the product of the arrows", a=a, b=b, c=c, L=L)
print("measured:", [round(slope, 6) for slope in numeric_gradient(example, [3.0, -4.0, 2.0])])

# %% [markdown]
# ## Powers
#
# $p = x^k$ for a fixed number $k$. The local slope is $k\,x^{k-1}$, with the $x$ that went in:
#
# $$\bar x \mathrel{+}= \bar p \cdot k\,x^{k-1}$$
#
# One rule gives squares ($k = 2$), roots ($k = \tfrac12$) and, with $k = -1$, division.


# %% nbgrader={"grade_id": "pow", "solution": true}
@method(Value)
def __pow__(self, exponent):
    """Return `self ** exponent`, a new node made from self; `exponent` is an int or a float, never a Value.

    A negative base comes with whole exponents only, and a base of 0 with exponents from 1 up: there 0 ** 0 is 1.
    Step back: self's grad grows by the new node's grad times exponent * data ** (exponent - 1), data that of self.
    """
    ### BEGIN SOLUTION
    out = Value(self.data**exponent, (self,), f"**{exponent}")

    def step_back():
        self.grad += exponent * self.data ** (exponent - 1) * out.grad

    out._backward = step_back
    return out
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-pow", "grade": true, "points": 1}
check("pow")

# %% [markdown]
# ## The rest of arithmetic
#
# No new calculus: minus and division are made from what you have, and their slopes come along by themselves. That is
# what one buys with a graph. Only the *reflected* operators need a thought.
#
# **Predict.** For `2 - a` Python asks the int first; it does not know a `Value`, so Python calls `a.__rsub__(2)`.
# What is `self` in there, and what is `other`?


# %% nbgrader={"grade_id": "minus", "solution": true}
@method(Value)
def __neg__(self):
    """Return `-self`, a node whose slope with respect to self is -1."""
    ### BEGIN SOLUTION algebra
    return self * -1
    ### END SOLUTION


@method(Value)
def __sub__(self, other):
    """Return `self - other`; `other` is a Value, an int or a float."""
    ### BEGIN SOLUTION algebra
    return self + (-other)
    ### END SOLUTION


# %% nbgrader={"grade_id": "divide", "solution": true}
@method(Value)
def __truediv__(self, other):
    """Return `self / other`; `other` is a Value, an int or a float, not 0. Slopes reach both."""
    ### BEGIN SOLUTION algebra
    return self * other**-1
    ### END SOLUTION


# %% nbgrader={"grade_id": "reflected", "solution": true}
@method(Value)
def __radd__(self, other):
    """Return `other + self` for an int or a float on the left: Python calls it for `2 + a`, and `sum` for `0 + a`."""
    ### BEGIN SOLUTION algebra
    return self + other
    ### END SOLUTION


@method(Value)
def __rmul__(self, other):
    """Return `other * self` for an int or a float on the left."""
    ### BEGIN SOLUTION algebra
    return self * other
    ### END SOLUTION


@method(Value)
def __rsub__(self, other):
    """Return `other - self` for an int or a float on the left."""
    ### BEGIN SOLUTION algebra
    return -self + other
    ### END SOLUTION


@method(Value)
def __rtruediv__(self, other):
    """Return `other / self` for an int or a float on the left; self is not 0."""
    ### BEGIN SOLUTION algebra
    return other * self**-1
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-algebra", "grade": true, "points": 2}
check("algebra")

# %% [markdown]
# ## Exponential and logarithm
#
# $$e = \exp x: \quad \bar x \mathrel{+}= \bar e \cdot e \qquad\qquad
# l = \ln x: \quad \bar x \mathrel{+}= \bar l \cdot \frac{1}{x}$$
#
# The one slope is made of what came out, the other of what went in. Mixing these up is the commonest mistake in
# a hand-written step back.


# %% nbgrader={"grade_id": "exp", "solution": true}
@method(Value)
def exp(self):
    """Return e to the power of self, a new node made from self; its local slope is its own data."""
    ### BEGIN SOLUTION exp_log
    out = Value(math.exp(self.data), (self,), "exp")

    def step_back():
        self.grad += out.data * out.grad

    out._backward = step_back
    return out
    ### END SOLUTION


# %% nbgrader={"grade_id": "log", "solution": true}
@method(Value)
def log(self):
    """Return the natural logarithm of self, a new node made from self, whose data is positive.

    Its local slope is 1 over self's data.
    """
    ### BEGIN SOLUTION exp_log
    out = Value(math.log(self.data), (self,), "log")

    def step_back():
        self.grad += out.grad / self.data

    out._backward = step_back
    return out
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-exp_log", "grade": true, "points": 1}
check("exp_log")

# %% [markdown]
# **Predict.** $L = \ln(e^{a} + e^{b} + e^{c})$ is a soft version of the maximum. Raise all three by $h$: by how much
# does $L$ rise? So what must the three slopes add up to?

# %%
leaves = [Value(1.0), Value(2.0), Value(4.0)]
sum(v.exp() for v in leaves).log().backward()
print([round(v.grad, 4) for v in leaves], "sum", round(sum(v.grad for v in leaves), 4))

# %% [markdown]
# Positive, and summing to 1: these slopes are the softmax of the three numbers. It is half of the gradient that every
# language model is trained with, and nobody told the engine about it.
#
# ## Two functions for neurons
#
# $$t = \tanh x: \quad \bar x \mathrel{+}= \bar t \cdot (1 - t^2) \qquad\qquad
# r = \max(0, x): \quad \bar x \mathrel{+}= \begin{cases} \bar r & x > 0 \\ 0 & x \le 0 \end{cases}$$
#
# A neuron needs something that bends. Both of these can shut the road: tanh where it is flat, relu wherever its input
# is negative. At 0 relu has no slope; the convention here is PyTorch's, 0.


# %% nbgrader={"grade_id": "tanh", "solution": true}
@method(Value)
def tanh(self):
    """Return the hyperbolic tangent of self, a new node made from self.

    Its local slope is 1 minus its own data squared.
    """
    ### BEGIN SOLUTION tanh_relu
    out = Value(math.tanh(self.data), (self,), "tanh")

    def step_back():
        self.grad += (1 - out.data**2) * out.grad

    out._backward = step_back
    return out
    ### END SOLUTION


# %% nbgrader={"grade_id": "relu", "solution": true}
@method(Value)
def relu(self):
    """Return self where its data is positive, else 0: a new node made from self.

    Its local slope is 1 where self's data is positive and 0 elsewhere, at 0 too.
    """
    ### BEGIN SOLUTION tanh_relu
    out = Value(max(0.0, self.data), (self,), "relu")

    def step_back():
        self.grad += (self.data > 0) * out.grad

    out._backward = step_back
    return out
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-tanh_relu", "grade": true, "points": 2}
check("tanh_relu")

# %% [markdown]
# Each panel shows a function and the slope your engine finds for it.
#
# **Predict.** In which of the four is there a stretch where nothing can be learnt, because the slope is zero or close
# to it?

# %%
panels = [(Value.exp, -3, 1.2), (Value.log, 0.2, 4), (Value.tanh, -4, 4), (Value.relu, -2, 2)]
fig, axes = plt.subplots(2, 2, figsize=(8, 5))
for ax, (function, low, high) in zip(axes.flat, panels, strict=True):
    inputs = [Value(low + (high - low) * i / 120) for i in range(121)]
    outputs = [function(v) for v in inputs]
    for out in outputs:
        out.backward()
    xs = [v.data for v in inputs]
    ax.plot(xs, [out.data for out in outputs], color=BLUE, label="function")
    ax.plot(xs, [v.grad for v in inputs], "--", color=ORANGE, label="its slope")
    ax.set(xlabel="x", title=function.__name__)
axes[0, 0].legend()
fig.suptitle("Where the dashed line touches zero, the road is shut")
fig.tight_layout()
plt.show()

# %% [markdown]
# ## Trust, measured
#
# The engine uses calculus, the measuring stick does not; where they agree at a random point, hardly anything can be
# wrong with both. So compare them, and keep the largest disagreement, relative for large slopes and absolute for
# small ones:
#
# $$\max_i \; \frac{|e_i - m_i|}{\max(1, |e_i|, |m_i|)}$$
#
# with $e$ from the engine and $m$ measured. Below $10^{-6}$ all is well; above $10^{-3}$ something is wrong.


# %% nbgrader={"grade_id": "gradient_check", "solution": true}
def gradient_check(f, point, h=1e-4):
    """Return the largest disagreement between the engine's slopes of f and the measured ones, a float.

    f      takes a list of n Values and returns a Value made from them; give it fresh leaves for every run
    point  a list of n floats, the same after the call as before
    h      the nudge for numeric_gradient
    The disagreement of e (engine) and m (measured) is |e - m| over the largest of 1, |e| and |m|.
    """
    ### BEGIN SOLUTION
    leaves = [Value(x) for x in point]
    f(leaves).backward()
    measured = numeric_gradient(lambda nudged: f([Value(x) for x in nudged]).data, point, h)
    pairs = [(leaf.grad, m) for leaf, m in zip(leaves, measured, strict=True)]
    return max(abs(e - m) / max(1, abs(e), abs(m)) for e, m in pairs)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-gradient_check", "grade": true, "points": 2}
check("gradient_check")

# %% [markdown]
# ## See it work
#
# A network with one input, six tanh neurons and one output has 19 weights:
#
# $$y(x) = b + \sum_{j=1}^{6} v_j \tanh(w_j\,x + c_j), \qquad L = \frac{1}{N} \sum_{i=1}^{N} (y(x_i) - y_i)^2$$
#
# Training repeats one thing: compute $L$, walk back, and move every weight a little against its slope. The slopes are
# set to zero first, because `backward` only ever adds.


# %%
def plain_net(weights, x):
    """y(x) for 19 Values: w, c and v with six each, then b."""
    ws, cs, vs, b = weights[:6], weights[6:12], weights[12:18], weights[18]
    return b + sum(v * (w * x + c).tanh() for w, c, v in zip(ws, cs, vs, strict=True))


def mean_square(net, weights, points):
    return sum((net(weights, x) - y) ** 2 for x, y in points) / len(points)


def train(net, start, points, steps, rate):
    """Descend from the floats in `start`; return the trained Values and the loss before every step."""
    weights, losses = [Value(w) for w in start], []
    for _ in range(steps):
        loss = mean_square(net, weights, points)
        for w in weights:
            w.grad = 0.0
        loss.backward()
        for w in weights:
            w.data -= rate * w.grad
        losses.append(loss.data)
    return weights, losses


def start_for(size, seed):
    draws = random.Random(seed)
    return [draws.uniform(-1, 1) for _ in range(size)]


noise = random.Random(0)
points = [(x / 3.5, math.sin(2 * x / 3.5) + noise.gauss(0, 0.1)) for x in range(-7, 8)]
trained, losses = train(plain_net, start_for(19, seed=0), points, steps=120, rate=0.2)
print(f"loss {losses[0]:.3f} at first, {losses[-1]:.3f} after {len(losses)} steps")


# %%
def curve(net, weights):
    grid = [-2.2 + 4.4 * i / 120 for i in range(121)]
    return grid, [net(weights, x).data for x in grid]


fig, ax = plt.subplots(figsize=(6.5, 3.6))
ax.plot(*zip(*points, strict=True), "o", color=INK, label="data")
ax.plot(*curve(plain_net, trained), color=ORANGE, label="the network")
ax.set(xlabel="x", ylabel="y", title="120 walks back through your engine")
ax.legend()
plt.show()

# %% [markdown]
# ## Watch it break
#
# Here are two engines with one mistake each. `patch.object` swaps a method for the length of a `with` block; your own
# is back afterwards.
#
# **First break.** In the step back of a product, `+=` becomes `=`. Every weight is used for each of the 15 data points,
# so 15 shares of slope arrive at it.
#
# **Predict.** Will the loss fall, stay or explode? What will the fitted curve look like?


# %%
def overwriting_mul(self, other):
    other = other if isinstance(other, Value) else Value(other)
    out = Value(self.data * other.data, (self, other), "*")

    def step_back():
        self.grad = other.data * out.grad
        other.grad = self.data * out.grad

    out._backward = step_back
    return out


with patch.object(Value, "__mul__", overwriting_mul):
    broken, broken_losses = train(plain_net, start_for(19, seed=0), points, steps=120, rate=0.2)

fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.4))
left.semilogy(losses, color=ORANGE, label="yours")
left.semilogy(broken_losses, "--", color=BLUE, label="overwriting")
left.set(xlabel="step", ylabel="loss")
left.legend()
right.plot(*zip(*points, strict=True), "o", color=INK)
right.plot(*points[0], "o", color=GREEN, markersize=9)
right.text(-1.85, 0.95, "heard last", color=GREEN)
right.plot(*curve(plain_net, trained), color=ORANGE)
right.plot(*curve(plain_net, broken), "--", color=BLUE)
right.set(xlabel="x", ylabel="y")
fig.suptitle("Overwritten slopes: of fifteen data points, products hear one")
fig.tight_layout()
plt.show()

# %% [markdown]
# The loss falls at once by half, so a glance at the log would not alarm anybody; then it goes nowhere. The $w$
# and $v$, which enter by products, hear only the leftmost point, whose share arrives last. ($b$ and the $c$ enter by
# additions and still hear all fifteen.)
#
# **Second break.** The steps back are taken in the order in which one meets the nodes on the way from $L$: first a
# node, then its parents. The network above would not notice. There the only nodes used twice are weights, and leaves
# pass nothing on. So give every neuron a *skip connection*, as nearly every modern network has: $g = h + \tanh(u\,h +
# d)$, where the computed $h$ is used twice.
#
# **Predict.** Two runs from the same start, one by your engine and one by the wrong one, under the names A and B as a
# coin has settled. Which is the wrong one? Decide before you read on.


# %%
def skip_net(weights, x):
    """y(x) for 31 Values: w, c, u, d and v with six each, then b."""
    *rows, b = *(weights[i : i + 6] for i in range(0, 30, 6)), weights[30]
    y = b
    for w, c, u, d, v in zip(*rows, strict=True):
        h = (w * x + c).tanh()
        y = y + v * (h + (u * h + d).tanh())
    return y


def on_first_meeting(self):
    """A wrong backward: nodes step in the order in which they are met."""
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            order.append(node)
            for parent in node._parents:
                visit(parent)

    visit(self)
    self.grad = 1.0
    for node in order:
        node._backward()


mine, wrong = random.Random(1986).sample("AB", 2)
runs = {mine: train(skip_net, start_for(31, seed=6), points, steps=60, rate=0.1)[1]}
with patch.object(Value, "backward", on_first_meeting):
    runs[wrong] = train(skip_net, start_for(31, seed=6), points, steps=60, rate=0.1)[1]

fig, ax = plt.subplots(figsize=(6.5, 3.6))
ax.plot(range(2, 60), runs["A"][2:], color=ORANGE, label="A")
ax.plot(range(2, 60), runs["B"][2:], "--", color=BLUE, label="B")
ax.set(xlabel="step", ylabel="loss", title="One of these two engines is wrong")
ax.legend()
plt.show()

# %% [markdown]
# Most people trust the lower curve. A loss curve shows that something goes down, not that it follows the slope. Ask the
# one who can tell:


# %%
def skip_loss(weights):
    return mean_square(skip_net, weights, points[:3])


def plain_loss(weights):
    return mean_square(plain_net, weights, points[:3])


print(f"{mine}, with skips:     {gradient_check(skip_loss, start_for(31, seed=6)):.1e}")
with patch.object(Value, "backward", on_first_meeting):
    print(f"{wrong}, with skips:     {gradient_check(skip_loss, start_for(31, seed=6)):.1e}")
    print(f"{wrong}, without skips:  {gradient_check(plain_loss, start_for(19, seed=0)):.1e}")
with patch.object(Value, "__mul__", overwriting_mul):
    print(f"overwriting:       {gradient_check(plain_loss, start_for(19, seed=0)):.1e}")

# %% [markdown]
# The wrong engine had the lower loss, and not by a freak: of the starts with seeds 0 to 11 it wins four. Three data
# points and one line found what sixty steps of training hid. Note what the check needs, though: a graph in which the
# mistake can happen. On the network without skips the wrong engine looks perfect.
#
# ## What it costs
#
# **Predict.** A function has $n$ inputs. One run forward is one unit of time. How many units does `backward` take, at
# $n = 4$ and at $n = 64$? And `numeric_gradient`?


# %%
def best_of(work, repeats=3):
    """Shortest of a few timings of work(), in seconds."""
    timings = []
    gc.disable()  # its pauses would be timed as well
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        timings.append(time.perf_counter() - start)
    gc.enable()
    return min(timings)


def product_of_bends(values):
    result = Value(1.0)
    for v in values:
        result = result * (v * v + 1.5).tanh()
    return result


sizes, back, measured = [4, 8, 16, 32, 64], [], []
for n in sizes:
    at = start_for(n, seed=n)
    forward = best_of(lambda at=at: product_of_bends([Value(x) for x in at]))
    both = best_of(lambda at=at: product_of_bends([Value(x) for x in at]).backward())
    nudged = best_of(lambda at=at: numeric_gradient(lambda p: product_of_bends([Value(x) for x in p]).data, at))
    back.append((both - forward) / forward)
    measured.append(nudged / forward)

fig, ax = plt.subplots(figsize=(6.5, 3.6))
ax.loglog(sizes, measured, "s--", color=BLUE, label="measured: 2n nudged runs")
ax.loglog(sizes, back, "o-", color=ORANGE, label="one walk back")
ax.set(xlabel="inputs n", ylabel="time, in forward runs", title="All n slopes for the price of about one more run")
ax.set_xticks(sizes, [str(n) for n in sizes])
ax.minorticks_off()
ax.legend()
plt.show()

# %% [markdown]
# (In a large network it is about two more runs: a product of matrices forward becomes two on the way back.)
#
# Why is there no $n$ in the price? A product of slopes along a road can be multiplied from either end. Start at one
# leaf and follow the arrows, and one run tells what *one input* does to every number: *forward mode*, $n$ runs for $n$
# inputs. Start at $L$ and go against the arrows, and one walk tells what every number does to *one result*: *reverse
# mode*. A model has a million inputs and one loss, so we walk back.
#
# The walk has a price of another kind. A product needs the other factor when its turn comes, so nothing may be thrown
# away before. That is where a GPU's memory goes in training, and why a loss in a list is so dear:

# %%
loss = mean_square(plain_net, [Value(w) for w in start_for(19, seed=0)], points)
behind = {}
depths(loss, behind)
print(f"one loss over {len(points)} points keeps {len(behind)} nodes alive; loss.data keeps none")

# %% [markdown]
# ## An open experiment
#
# Forward mode fits in twenty lines. Write a class that carries a pair, its number and the slope of that number with
# respect to one chosen input, and give it `+`, `*` and `tanh`. The slope comes along with the number, so there is no
# graph and no walk. Then time it against your engine, once on a function with 100 inputs and one result, and once on
# one with one input and 100 results. Guess both ratios first. Which of the two would you use to learn how the loss
# changes along one direction in the space of all weights?

# %%
# your experiment

# %% [markdown]
# ## In your own words
#
# What do you know now that you did not this morning? One or two sentences, as you would tell a colleague. For example:
# "A gradient has no opinion about the loss curve. Mine was wrong wherever a number was used twice, and training went
# down all the same; only nudging the inputs gave it away."

# %%
words = ""
if words:
    aha(words)
