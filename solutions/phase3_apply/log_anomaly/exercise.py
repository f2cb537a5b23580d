# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 32
#     title: Log anomaly
#     question: "Nobody can say what a bad release looks like in the log: how do you find one all the same, and how do you know that your detector is not fooling you?"
#     hours: 6
#     track: breadth
#     week: 20
#     needs: [recurrent_nets]
#     sources:
#       - "Du, Li, Zheng, Srikumar: DeepLog, Anomaly Detection and Diagnosis from System Logs through Deep Learning (2017)"
#       - "He, Zhu, Zheng, Lyu: Drain, An Online Log Parsing Approach with Fixed Depth Tree (2017), section III"
#       - "Zhu et al.: Loghub, A Large Collection of System Log Datasets for AI-driven Log Analytics (2023)"
#       - "Le, Zhang: Log-based Anomaly Detection with Deep Learning, How Far Are We? (2022)"
#       - "Landauer, Skopik, Wurzenberger: A Critical Review of Common Log Data Sets Used for Evaluation (2024)"
#     alone: [mask, Miner, windows, split, alarms]
#     from_scratch: [drain3, logparser, sklearn]
# ---

# %% [markdown]
# # Log anomaly
#
# **Nobody can say what a bad release looks like in the log: how do you find one all the same, and how do you know that
# your detector is not fooling you?**
#
# A deployment tool writes some seventeen thousand lines in three weeks. In most releases all went well. In a few something
# went wrong, and no line says so. You will turn lines into *keys*, keys into *sessions*, teach a small LSTM what comes
# next in a session that went well, and let it point at lines that it did not see coming. Half of the work is not the
# model. It is to find out what the model adds, and to keep three ways of cheating yourself out of the numbers.
#
# Where this bites at work:
#
# - A detector had an F1 of 0.96 in the paper and raises forty alarms a day at your place. After a week nobody reads them.
# - On held-out sessions it is nearly perfect. Nine in ten of them are copies of sessions that it was trained on.
# - It flags every short session. Somebody filled these up with zeros, and a zero is what it never saw coming.
# - A new version of a tool words one line differently, and on Monday everything is an anomaly.
#
# | letter | meaning |
# |---|---|
# | $K$ | templates, also called *keys*: they are numbered $0 \dots K-1$ |
# | $E = K$ | the *edge*: what stands before the first line of a session, and after the last one |
# | $S$ | sessions |
# | $h$ | how many lines the model looks back |
# | $N$ | windows: one for each thing that is to be foretold |
# | $C$, $H$ | numbers per key in the embedding; numbers in the LSTM's state |
#
# Shapes are written like `(N, h)`. Below a stub, `check("…")` gives the verdict and `hint("…")` a nudge.

# %%
from autograder import aha, carry, check, hint, palette  # first: its judge warms up while the rest is imported

import math
import re
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.colors import ListedColormap
from torch import nn

from phase3_apply.anomaly import release_log

INK, BLUE, ORANGE, GREEN, PURPLE, GOLD, RED = palette()
torch.set_num_threads(1)  # models as small as these only lose by sharing their work
recurrent = carry("recurrent_nets")
lines, releases = release_log(seed=0)
print(f"{len(lines):,} lines of {len(releases):,} releases in {releases[-1].day + 1} days, such as these:")
print(*lines[8:14], sep="\n")

# %% [markdown]
# The log is invented, so that we know what went wrong where. It is drawn from a seed by `phase3_apply/anomaly`. Several
# releases run at once, and their lines stand between one another, as in every real log.
#
# ## What is text, what is a value
#
# A program has a few dozen places that write to the log, and each writes one sentence with holes: *restarted … on … in …
# ms*. We would like to have the sentences back. Numbers and addresses are never part of a sentence, so they go first.
#
# **Predict.** In `rel-1042 took 0x1f ticks at 10.0.0.7:443`, how many values are there? What happens if you look for
# numbers before you look for addresses?

# %%
WILD = "<*>"


# %% nbgrader={"grade_id": "mask", "solution": true}
def mask(line):
    """Put WILD in the place of every value of a line: str -> (tokens, values), two lists of str.

    Values, the first of these kinds that fits at a place, and each as long as it can be:
      block    blk_ and digits, with or without a minus between: blk_-1608
      address  four numbers with dots between, with or without a colon and a port: 10.0.0.7:443
      hex      0x and hexadecimal digits of either case: 0x1F
      number   digits, with or without a dot and more digits: 42, 0.25
    They may stand anywhere, between brackets too, but no letter, digit or underscore touches a value on either side:
    build7 and 20ms stay as they are.
    The tokens are the line's words, split at white space, with WILD for each value. The values are as they stood in the
    line, from left to right.
    """
    ### BEGIN SOLUTION
    kinds = r"blk_-?\d+|\d+(?:\.\d+){3}(?::\d+)?|0x[0-9a-fA-F]+|\d+(?:\.\d+)?"
    pattern = rf"(?<!\w)(?:{kinds})(?!\w)"
    return re.sub(pattern, WILD, line).split(), re.findall(pattern, line)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-mask", "grade": true, "points": 1}
check("mask")

# %% [markdown]
# **Predict.** `payments` and `accounts` are values too, and no pattern knows them. How many different sentences are left
# in the whole log?

# %%
print(*mask("rel-1042 took 0x1f ticks at 10.0.0.7:443"), sep="\n")
contents = [line.split(" ", 2)[2] for line in lines]  # without date and time
masked = [mask(content) for content in contents]
print(f"{len(set(lines)):,} lines, {len(set(map(tuple, (tokens for tokens, _ in masked)))):,} masked sentences")

# %% [markdown]
# ## Templates
#
# The rest is found by comparing. *Drain* (He et al., 2017) reads the log once and keeps a list of templates. A line can
# only belong to a template of the same number of words that begins the same way, and of those it takes the most similar:
#
# $$\text{similarity}(t, w) = \frac{1}{n} \sum_{i=1}^{n} [\,t_i = w_i \text{ and } t_i \ne \texttt{<*>}\,]$$
#
# Similar enough, and it joins: where the two differ, the template gets a hole. Otherwise it is the first of a new kind.
# A hole fits everything and therefore says nothing, so it does not count as similar. Count it, and a template with many
# holes swallows all that comes near.


# %% nbgrader={"grade_id": "similarity", "solution": true}
def similarity(template, tokens):
    """Share of the places where a template and a line have the same word: two lists of n str, n > 0 -> float.

    A place where the template has WILD never counts as the same.
    """
    ### BEGIN SOLUTION miner
    return sum(t == w != WILD for t, w in zip(template, tokens)) / len(template)
    ### END SOLUTION


# %% nbgrader={"grade_id": "miner", "solution": true}
class Miner:
    """Finds the templates of a log, line by line.

    templates  list of lists of str; the number of a template in this list is its key
    threshold  a line joins a template if they are at least this similar
    prefix     so many words at the beginning of a line must fit exactly
    """

    def __init__(self, threshold=0.5, prefix=1):
        self.threshold, self.prefix = threshold, prefix
        self.templates = []
        self.leaves = {}  # for your use: from what two lines must share exactly, to the keys below it

    def key(self, tokens):
        """Return the key of a line, a list of at least one str, and learn from it.

        Only templates are looked at that have as many words as the line and the same first `prefix` words; among these
        first words, any that has a digit or WILD in it counts as WILD. A template is looked up where its first line was.
        Of them the most similar is taken, of equally similar ones the oldest. If its similarity is at least `threshold`,
        the line joins it: every place of the template where the two differ becomes WILD. Otherwise, or if there is none,
        the line becomes a new template as it is. The list that was handed in never changes.
        """
        ### BEGIN SOLUTION miner
        start = [WILD if WILD in word or re.search(r"\d", word) else word for word in tokens[: self.prefix]]
        leaf = self.leaves.setdefault((len(tokens), *start), [])
        best = max(leaf, key=lambda key: similarity(self.templates[key], tokens), default=None)
        if best is None or similarity(self.templates[best], tokens) < self.threshold:
            self.templates.append(list(tokens))
            leaf.append(len(self.templates) - 1)
            return leaf[-1]
        self.templates[best] = [t if t == w else WILD for t, w in zip(self.templates[best], tokens)]
        return best
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-miner", "grade": true, "points": 3}
check("miner")

# %% [markdown]
# **Predict.** The program that drew the log writes lines at 16 places. How many templates do you find with a threshold of
# 0.5? And with 0.2, and with 0.95?

# %%
found = {}
for threshold in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
    miner = Miner(threshold)
    for tokens, _ in masked[:400]:
        miner.key(tokens)
    found[threshold] = len(miner.templates)

fig, ax = plt.subplots(figsize=(6.5, 3.2))
ax.semilogy(found.keys(), found.values(), "o-", color=BLUE)
ax.axhline(16, color=INK, linestyle="--", label="places that write")
ax.set(xlabel="threshold of similarity", ylabel="templates found")
ax.set_title("Too low lumps together, too high splits")
ax.legend()
plt.show()

# %%
miner = Miner()
keys = [miner.key(tokens) for tokens, _ in masked]
K = len(miner.templates)
for key, template in enumerate(miner.templates):
    print(f"{key:3} {keys.count(key):6,} × {' '.join(template)}")

# %% [markdown]
# Seventeen thousand lines are now as many numbers below 15. Nobody who wrote the tool was asked.
#
# Nothing warns you when a template is wrong, and everything that follows trusts it. Labelled samples exist (Loghub has
# 2,000 lines each of many systems), and the measure is strict: a line counts if its group holds *exactly* the lines that
# it should. The program of this lesson reports it for your miner on every log that comes with labels.
#
# ## Sessions and windows
#
# What comes next is a question within one release. So sort the keys by release first; lines that stand next to each
# other in the log belong to different ones.
#
# Then a session of $n$ lines poses $n + 1$ questions: what is the first line, the second, …, and after the last one: was
# that all? Each question comes with the $h$ keys before it. At the beginning there are fewer, and the gap is filled with
# the edge $E$. With $h = 3$, the session `[4, 7]` gives
#
# | history | target |
# |---|---|
# | E E E | 4 |
# | E E 4 | 7 |
# | E 4 7 | E |
#
# **Predict.** A session that breaks off after two lines: which of its targets is odd? And if you leave out the last row,
# as many do?


# %% nbgrader={"grade_id": "by_session", "solution": true}
def by_session(ids, keys):
    """Sort keys by the session that their lines belong to: two lists of the same length -> dict from id to list of keys.

    Lines of a session need not stand together; their order is kept, and the sessions stand in the order in which they
    begin. A line with the id None belongs to none and is left out.
    """
    ### BEGIN SOLUTION windows
    sessions = {}
    for id, key in zip(ids, keys):
        if id is not None:
            sessions.setdefault(id, []).append(key)
    return sessions
    ### END SOLUTION


# %% nbgrader={"grade_id": "windows", "solution": true}
def windows(sessions, h, edge):
    """Pose the questions of all sessions: a list of S lists of keys -> (histories (N, h), targets (N,), owners (N,)).

    All three are int64 tensors. A session of n lines gives n + 1 rows: one for each key, in order, and one whose target is
    `edge`, since the session ends there. A history holds the h keys just before the target, the newest last; where the
    session has not that many, it begins with `edge`. owners says which session a row is of, from 0 to S - 1. h is at
    least 1, and a session has at least one line. The sessions stay as they are.
    """
    ### BEGIN SOLUTION
    histories, targets, owners = [], [], []
    for owner, session in enumerate(sessions):
        padded = [edge] * h + list(session) + [edge]
        for i in range(len(session) + 1):
            histories.append(padded[i : i + h])
            targets.append(padded[i + h])
            owners.append(owner)
    return torch.tensor(histories), torch.tensor(targets), torch.tensor(owners)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-windows", "grade": true, "points": 2}
check("windows")

# %% [markdown]
# Here are some releases as strips: one cell a line, one colour a template. The lower four are not as they should be.
#
# **Predict.** Before you look at the names on the left: can you see what is wrong with each?

# %%
ids = [re.search(r"rel-\d+", content)[0] for content in contents]
grouped = by_session(ids, keys)
fault = {release.id: release.fault for release in releases}
day = {release.id: release.day for release in releases}
colours = ListedColormap([plt.cm.tab20(i % 20) for i in range(K)])
DRIFTS = 15  # from this day on, the log is another one; it is looked at in the end
early = [id for id in grouped if day[id] < DRIFTS]


def strips(ax, rows, names):
    """Draw sessions as strips of coloured cells, one below the other."""
    for i, row in enumerate(rows):
        cells = np.arange(len(row) + 1), [i, i + 0.8], [row]
        ax.pcolormesh(*cells, cmap=colours, vmin=-0.5, vmax=K - 0.5, edgecolors=INK, linewidth=0.3)
    ax.set_yticks(np.arange(len(rows)) + 0.4, names)
    ax.invert_yaxis()


kinds = ["", "", "", "no drain", "no canary", "never healthy", "breaks off"]
shown = [next(id for id in early[9 * i :] if fault[id] == kind) for i, kind in enumerate(kinds)]
fig, ax = plt.subplots(figsize=(8, 3))
strips(ax, [grouped[id] for id in shown], [fault[id] or "well" for id in shown])
ax.set(xlabel="line of the release", title="Releases as strips of templates")
plt.show()

# %% [markdown]
# ## What is held out
#
# A model of what is normal is trained on sessions that went well, and tried on others that went well: each alarm among
# these is a false one. *Others* is the word that matters. Machines repeat themselves, and a session that occurred in
# training is no test of anything.
#
# **Predict.** You hold out every fifth of the releases. What share of them has a twin in the training set, key by key?

# %%
well = [grouped[id] for id in early if not fault[id]]
trained_on = {tuple(session) for i, session in enumerate(well) if i % 5}
twins = sum(tuple(session) in trained_on for session in well[::5])
print(f"{twins} of {len(well[::5])}")

# %% [markdown]
# So deal out the *distinct* sessions: all copies of one go to the same side. The copies stay, since how often something
# happens is part of what is normal.
#
# Three sides are needed. The threshold of an alarm will have to be chosen on sessions that the model has not learned
# from, and judged on sessions that were not used to choose it. A fourth comes off the training side, for later: every
# fifth release of it is put *aside*, one by one, as many do.


# %% nbgrader={"grade_id": "split", "solution": true}
def split(sessions, valid, test, generator):
    """Deal out sessions so that equal ones stay together: -> three lists of their numbers, for train, valid and test.

    sessions   list of S lists of keys
    valid      how many distinct sessions go to the second side; test likewise; the others are trained on
    generator  a torch.Generator that decides which; every choice of distinct sessions is equally likely
    Each of the numbers 0 … S - 1 is in exactly one of the lists, in rising order.
    """
    ### BEGIN SOLUTION
    distinct = list(dict.fromkeys(map(tuple, sessions)))
    order = torch.randperm(len(distinct), generator=generator).tolist()
    side = {distinct[i]: 1 if n < valid else 2 if n < valid + test else 0 for n, i in enumerate(order)}
    sides = [side[tuple(session)] for session in sessions]
    return tuple([number for number, s in enumerate(sides) if s == wanted] for wanted in range(3))
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-split", "grade": true, "points": 2}
check("split")

# %%
fifth = len(set(map(tuple, well))) // 5
sides = split(well, fifth, fifth, torch.Generator().manual_seed(0))
train, valid, test = ([well[number] for number in side] for side in sides)
aside, train = train[::5], [session for i, session in enumerate(train) if i % 5]
odd = [grouped[id] for id in early if fault[id]]
odd_kind = [fault[id] for id in early if fault[id]]
dealt = {"train": train, "aside": aside, "valid": valid, "test": test, "odd": odd}
for name, side in dealt.items():
    print(f"{name:5} {len(side):4} sessions, {len(set(map(tuple, side))):4} distinct")

# %% [markdown]
# ## First without a model
#
# Before you train anything: note which key followed which in training. A step that never occurred there is an alarm. It
# takes two lines, no parameter and no GPU, and it is the number that a model has to beat.
#
# The edge is a key like the others here: how sessions begin and end is also a step.


# %% nbgrader={"grade_id": "known_steps", "solution": true}
def known_steps(sessions, edge):
    """Collect the steps that occur: list of lists of keys -> set of pairs (key, the key after it).

    The step from `edge` to the first key of a session and the one from its last key to `edge` belong to them. The
    sessions stay as they are.
    """
    ### BEGIN SOLUTION baseline
    return {pair for s in sessions for pair in zip([edge, *s], [*s, edge])}
    ### END SOLUTION


# %% nbgrader={"grade_id": "unknown_steps", "solution": true}
def unknown_steps(session, known, edge):
    """Say for each step of one session of n keys whether it is not among the known ones: -> list of n + 1 bool.

    The steps are in order: the first one comes from `edge`, the last one goes to it. The session stays as it is.
    """
    ### BEGIN SOLUTION baseline
    return [pair not in known for pair in zip([edge, *session], [*session, edge])]
    ### END SOLUTION


# %% nbgrader={"grade_id": "unseen_share", "solution": true}
def unseen_share(days, known):
    """Measure for each day the share of its lines whose key is not in the set `known`: (list of lists of keys) -> list.

    A day without lines has the share 0.0. What one day brings is no news to the next only if it is in `known`.
    """
    ### BEGIN SOLUTION baseline
    return [sum(key not in known for key in keys) / max(len(keys), 1) for keys in days]
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-baseline", "grade": true, "points": 2}
check("baseline")

# %% [markdown]
# **Predict.** Six things can go wrong with these releases: a rollback (two lines that training never saw), no drain, no
# canary, a host that is not healthy until the ninth try, a release that breaks off, and a restart that takes long. Which
# will the two lines find?

# %%
E = K
known = known_steps(train, E)
baseline = {
    name: [any(unknown_steps(s, known, E)) for s in side]
    for name, side in {"valid": valid, "test": test, "odd": odd}.items()
}
print(f"false alarms: {np.mean(baseline['test']):.1%} of the sessions held out")
for kind in sorted(set(odd_kind)):
    caught = [alarm for alarm, k in zip(baseline["odd"], odd_kind) if k == kind]
    print(f"{kind:14} {sum(caught)} of {len(caught)}")

# %% [markdown]
# Keep these numbers. Papers that begin with the model never print them.
#
# ## What comes next
#
# A pair forgets everything but one key. Whether a host may be restarted depends on whether it was drained, some lines
# ago. *DeepLog* (Du et al., 2017) asks an LSTM: given the last $h$ keys, how likely is each key to come next? It is the
# language model of the first lessons, and its words are lines.
#
# $$\text{logits} = W h_{\text{last}} + b, \qquad p = \text{softmax}(\text{logits}), \qquad
# L = -\frac{1}{N} \sum_n \ln p_n(\text{target}_n)$$
#
# The cell and the loop are yours, from exercise 8.


# %% nbgrader={"grade_id": "key_model", "solution": true}
class KeyModel(nn.Module):
    """Foretells the next key: an embedding of K + 1 keys (the edge is one), an LSTM, and a linear layer."""

    def __init__(self, K, C=16, H=32):
        super().__init__()
        self.embed = nn.Embedding(K + 1, C)
        self.cell = recurrent.LSTMCell(C, H)
        self.head = nn.Linear(H, K + 1)

    def forward(self, histories):
        """Score every key as the next one: (N, h) int64 -> logits (N, K + 1).

        Each history is read from a blank state, the oldest key first; what the LSTM holds after the newest one decides.
        `recurrent` has `unroll`, and a cell has `blank`.
        """
        ### BEGIN SOLUTION next_key
        hs, _ = recurrent.unroll(self.cell, self.embed(histories), self.cell.blank(len(histories)))
        return self.head(hs[:, -1])
        ### END SOLUTION


# %% [markdown]
# Now judge an answer. There are two ways. The *surprise* of what came is its share of the loss, $-\ln p$: 0 for a
# certainty, 4.6 for what comes once in a hundred times. DeepLog itself looks at the *rank*: 0 if the favourite came, 5 if
# five others were thought likelier.
#
# One trap is common to both. A key that training never saw has a row in the embedding and a bias in the linear layer all
# the same. Nobody has trained them to mean anything, and whatever comes out has a probability and a rank.
#
# **Predict.** Which surprise, and which rank, should a key have that never occurred in training?


# %% nbgrader={"grade_id": "surprise", "solution": true}
def surprise(logits, targets, trained):
    """Measure how little each target was expected: logits (N, K + 1), targets (N,) -> (N,), -ln p of each.

    trained  (K + 1,) bool: which keys occurred as a target in training
    p is a softmax over the trained keys only. For a target that was never trained the surprise is infinite; for any other
    it is finite, even where p is too small for a float. The logits stay as they are.
    """
    ### BEGIN SOLUTION next_key
    shares = logits.masked_fill(~trained, -math.inf).log_softmax(-1)
    return -shares.gather(1, targets[:, None])[:, 0]
    ### END SOLUTION


# %% nbgrader={"grade_id": "ranks", "solution": true}
def ranks(logits, targets, trained):
    """Rank what came among what was expected: logits (N, K + 1), targets (N,) -> (N,) int64, 0 for the favourite.

    The rank of a target is how many trained keys have a greater logit. A key that was never trained stands behind all
    that were, whatever its logit: as a target its rank is the number of trained keys. The logits stay as they are.
    """
    ### BEGIN SOLUTION next_key
    logits = logits.masked_fill(~trained, -math.inf)
    return (logits > logits.gather(1, targets[:, None])).sum(1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-next_key", "grade": true, "points": 3}
check("next_key")


# %%
def fit(sessions, K, h=10, rates=(2e-2, 2e-2, 5e-3), seed=1):
    """Train a KeyModel, a pass at each rate: it, its trained keys (K + 1,), the loss of each pass."""
    torch.manual_seed(seed)
    histories, targets, _ = windows(sessions, h, K)
    trained = torch.bincount(targets, minlength=K + 1) > 0
    model, losses = KeyModel(K), []
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.99))
    for rate in rates:
        optimizer.param_groups[0]["lr"], total = rate, 0.0
        for rows in torch.randperm(len(targets)).split(256):
            loss = F.cross_entropy(model(histories[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows) / len(targets)
        losses.append(total)
    return model.eval(), trained, losses


def judged(model, trained, sessions, h=10):
    """Let a model judge sessions: -> surprise (N,), ranks (N,), owners (N,)."""
    histories, targets, owners = windows(sessions, h, len(trained) - 1)
    with torch.no_grad():
        logits = model(histories)
    return surprise(logits, targets, trained), ranks(logits, targets, trained), owners


model, trained, losses = fit(train, K)
print(f"loss {losses[0]:.3f} in the first pass, {losses[-1]:.3f} in the last")
for name, side in {"train": train, "valid": valid, "test": test}.items():
    loss, rank, _ = judged(model, trained, side)
    favourite = (rank == 0).float().mean()
    print(f"{name:5} loss {loss.mean():.3f}, the favourite came in {favourite:.1%}")

# %% [markdown]
# ## An alert budget
#
# When does the bell ring? The paper says: when something comes that is not among the 9 likeliest. It had 28 keys, and
# another log.
#
# Ask instead how many alarms somebody can read. Say, 3 in 100 good releases may be called out for nothing. Give each
# session the score of its *worst* line, and put the threshold where no more than that share of the validation sessions
# lies above. Validation, not test: on the test set you want to find out whether it holds.
#
# **Predict.** Ranks are whole numbers, so many sessions tie. If seven of a hundred share the rank at which you would have
# to cut, and three may ring: how many will?


# %% nbgrader={"grade_id": "session_scores", "solution": true}
def session_scores(scores, owners, sessions):
    """Give every session its worst line: scores (N,), owners (N,) -> (sessions,), the greatest score of each owner.

    The owners are numbers from 0 to sessions - 1, in any order; every one of them occurs. Keeps the dtype of scores.
    """
    ### BEGIN SOLUTION budget
    return torch.stack([scores[owners == owner].max() for owner in range(sessions)])
    ### END SOLUTION


# %% nbgrader={"grade_id": "alarms", "solution": true}
def alarms(valid, test, budget):
    """Set the threshold, and raise alarms: scores of sessions (V,) and (S,) -> (threshold, alarms (S,) bool).

    A session raises an alarm if its score is greater than the threshold. The threshold is the smallest of the scores in
    `valid` that keeps the budget: no more than budget · V of the sessions in `valid` would raise one. It is a float.
    Neither list of scores is changed.
    budget  a share, from 0 up to but not including 1
    """
    ### BEGIN SOLUTION budget
    allowed = int(budget * len(valid))
    threshold = float(valid.sort(descending=True).values[allowed])
    return threshold, test > threshold
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-budget", "grade": true, "points": 2}
check("budget")

# %% [markdown]
# **Predict.** The worst line by surprise or by rank, or the pairs without a model: what will each find, at 3% false
# alarms?

# %%
BUDGET = 0.03
scores = {"surprise": {}, "rank": {}}
for name, side in {"valid": valid, "test": test, "odd": odd}.items():
    *both, owners = judged(model, trained, side)
    for kind, lines_of in zip(scores, both):
        scores[kind][name] = session_scores(lines_of, owners, len(side))

found = {"pairs": (baseline["test"], baseline["odd"])}
for kind, of in scores.items():
    found[kind] = tuple(alarms(of["valid"], of[name], BUDGET)[1].tolist() for name in ("test", "odd"))
print(f"{'':14}" + "".join(f"{name:>10}" for name in found))
print(f"{'false alarms':14}" + "".join(f"{np.mean(false):10.1%}" for false, _ in found.values()))
for kind in sorted(set(odd_kind)):
    rows = [[hit for hit, k in zip(hits, odd_kind) if k == kind] for _, hits in found.values()]
    print(f"{kind:14}" + "".join(f"{f'{sum(row)} of {len(row)}':>10}" for row in rows))

# %% [markdown]
# What stands out at once needs no model. What takes memory does: a restart without a drain some lines before is found every
# time, a ninth try where two are usual about every other time. And a rank throws away what a probability knows. Where only
# two things are possible, the third place may be an impossibility.
#
# The budget is the dial that you hand to whoever is on call. Here is what each setting would have cost and found.

# %%
threshold, _ = alarms(scores["surprise"]["valid"], scores["surprise"]["test"], BUDGET)
at = torch.linspace(0, 12, 200)
fig, ax = plt.subplots(figsize=(6.8, 3.6))
for name, colour, label in (("odd", ORANGE, "releases with a fault"), ("test", BLUE, "releases that went well")):
    ax.plot(at, [(scores["surprise"][name] > t).float().mean() for t in at], color=colour, label=label)
ax.axhline(BUDGET, color=INK, linestyle=":", label="budget")
ax.axvline(threshold, color=INK, linestyle="--", label="threshold from validation")
ax.set(xlabel="threshold of surprise", ylabel="share that raises an alarm", title="What an alarm costs, what it finds")
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# ## Explain the alarm
#
# "Release 1733: score 6.2" helps nobody at three in the morning. An alarm has to say *where* it began, what was expected
# there, and what came. It began at the first line over the threshold. The lines after it may be odd only because the
# first one was.


# %% nbgrader={"grade_id": "explain", "solution": true}
def explain(logits, targets, trained, threshold, g=3):
    """Explain the alarm of one session: logits (n, K + 1), targets (n,), in order -> dict, or None if there is no alarm.

    line         number of the first row whose surprise, as `surprise` gives it, is greater than the threshold
    seen         the key that came there
    probability  what the model gave to it: a softmax over the trained keys only, so 0.0 for one that was never trained
    expected     the g most likely keys at that place, as a list of (key, probability), the likeliest first
    All numbers are plain int and float. At least g keys are trained. The logits stay as they are.
    """
    ### BEGIN SOLUTION
    over = (surprise(logits, targets, trained) > threshold).nonzero()
    if len(over) == 0:
        return None
    line = int(over[0])
    shares = logits[line].masked_fill(~trained, -math.inf).softmax(-1)
    best = shares.topk(g)
    seen = int(targets[line])
    return {
        "line": line,
        "seen": seen,
        "probability": float(shares[seen]),
        "expected": list(zip(best.indices.tolist(), best.values.tolist())),
    }
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-explain", "grade": true, "points": 2}
check("explain")

# %%
names = [" ".join(template) for template in miner.templates] + ["(the release ends)"]
for kind in ("no canary", "no drain", "breaks off"):
    number = odd_kind.index(kind)
    histories, targets, _ = windows([odd[number]], 10, K)
    with torch.no_grad():
        why = explain(model(histories), targets, trained, threshold)
    if why is None:
        print(f"{kind}: no alarm\n")
        continue
    print(f"{kind}: line {why['line'] + 1} is “{names[why['seen']]}”, probability {why['probability']:.2g}; expected")
    for key, probability in why["expected"]:
        print(f"   {probability:4.0%} {names[key]}")
    print()

# %% [markdown]
# ## What the keys cannot show
#
# The slow restarts were not found, and never will be: their sentence is in its place. What is odd is a value. DeepLog
# puts a second model on the values of each key. Ours is the smallest that can foretell one: a straight line from the value
# before.
#
# $$\hat v_t = a + b\, v_{t-1}, \qquad r_t = v_t - \hat v_t, \qquad z_t = \frac{r_t - \mu}{\sigma}$$
#
# The line is fitted on training values. How far off it *usually* is, $\mu$ and $\sigma$, is asked on validation values,
# since on those that it was fitted to it looks better than it is.
#
# **Predict.** Restarts take between 1,400 and 2,500 ms, in slow waves. One takes 2,450 after one of 1,850. Is that odd?


# %% nbgrader={"grade_id": "value_model", "solution": true}
def value_model(train, valid):
    """Fit a line from each value to the next, and how far off it is: two float64 (n,), n > 2 -> (a, b, mu, sigma).

    a, b       the least-squares line v[t] ≈ a + b · v[t - 1] through the neighbours in `train`; if all values of train
               except perhaps the last are equal, b is 0 and a the mean of the values that follow (ask the values: the
               variance of equal numbers is rounded, and not always 0)
    mu, sigma  mean and standard deviation (divided by the number of residuals) of v[t] - a - b · v[t - 1] on `valid`;
               sigma is at least 1e-6
    All four are plain floats.
    """
    ### BEGIN SOLUTION values
    before, after = train[:-1], train[1:]
    around = before - before.mean()
    b = float((around * (after - after.mean())).sum() / (around**2).sum()) if before.min() < before.max() else 0.0
    a = float(after.mean()) - b * float(before.mean())
    residuals = valid[1:] - a - b * valid[:-1]
    return a, b, float(residuals.mean()), max(float(residuals.std(correction=0)), 1e-6)
    ### END SOLUTION


# %% nbgrader={"grade_id": "value_scores", "solution": true}
def value_scores(model, values):
    """Say how far each value is from what was expected, in sigmas: (n,) float64 -> (n,) float64, signed.

    Nothing precedes the first value, so its score is 0. The values stay as they are.
    """
    ### BEGIN SOLUTION values
    a, b, mu, sigma = model
    scores = torch.zeros_like(values)
    scores[1:] = (values[1:] - a - b * values[:-1] - mu) / sigma
    return scores
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-values", "grade": true, "points": 2}
check("values")

# %%
restart = next(key for key, template in enumerate(miner.templates) if "restarted" in template)
places = [i for i, key in enumerate(keys) if key == restart]
durations = torch.tensor([float(masked[i][1][-1]) for i in places], dtype=torch.float64)
clean = torch.tensor([fault[ids[i]] != "slow restart" for i in places])
on = torch.tensor([day[ids[i]] for i in places])  # six days to fit, three to measure, the rest to judge
values = value_model(durations[clean & (on < 6)], durations[clean & (on >= 6) & (on < 9)])
z = value_scores(values, durations)
last = (on >= 9).nonzero()[:, 0].tolist()
of = [ids[i] for i in places]
slow = [i for i in last if not clean[i] and z[i] == max(z[j] for j in last if of[j] == of[i])]

fig, axes = plt.subplots(2, 1, figsize=(8, 4.8), sharex=True)
for ax, series, title in ((axes[0], durations, "restart, ms"), (axes[1], z, "off by sigmas")):
    ax.plot(last, series[last], ".", color=BLUE, markersize=3)
    ax.plot(slow, series[slow], "o", color=ORANGE, label="slow restart")
    ax.set(ylabel=title)
axes[0].legend(loc="upper left")
axes[0].set_title("Hardly out of the usual range, and far from where the value before says")
axes[1].set_xlabel("restarts, in the order of the log")
axes[1].axhline(4, color=INK, linestyle=":")
plt.show()
others = [i for i in last if i not in slow]
print(f"above 4 sigmas: {sum(z[slow] > 4)} of {len(slow)} slow ones,", end=" ")
print(f"{sum(z[others] > 4)} of {len(others):,} others")

# %% [markdown]
# The dots at the lower edge are no faults. Each comes right after a slow restart: it was foretold from a value that was odd
# itself. An alarm casts a shadow, which is one more reason to read the first line first.
#
# ## Watch it break
#
# **First break: twins on both sides.** The model has never seen the releases that were put aside. They were dealt out
# one by one, so most of them have a twin in training.
#
# **Predict.** One model, two sets that it was not trained on: on which is its loss lower, and which would you print?

# %%
seen = set(map(tuple, train))
twinless = [session for session in aside if tuple(session) not in seen]
print(f"{len(aside)} put aside, {len(twinless)} of them without a twin")
results = {}
for name, side in {
    "split by session:\nall held out": aside,
    "of these, the\nones without twin": twinless,
    "split by\ndistinct session": list(dict.fromkeys(map(tuple, test))),
}.items():
    loss, _, owners = judged(model, trained, side)
    worst = session_scores(loss, owners, len(side))
    results[name] = float(loss.mean()), float((worst > threshold).float().mean())

fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.4))
for ax, column, title in ((axes[0], 0, "loss per line"), (axes[1], 1, "false alarms")):
    heights = [result[column] for result in results.values()]
    ax.bar(results.keys(), heights, color=[ORANGE, GREEN, BLUE], width=0.6)
    ax.set(title=title)
    ax.tick_params(axis="x", labelsize=8)
fig.suptitle("Whoever holds out twins measures memory")
fig.subplots_adjust(top=0.82)
plt.show()

# %% [markdown]
# On real logs it is no different. Of DeepLog's own HDFS sessions, 971 were held out at random: 860 are copies of training
# sessions. On all 971, the program's model has a loss of 0.263, its favourite comes in 89.7%, and 0.4% hold a line beyond
# its top 9. On the 111 without a twin it is 0.581, 77.8% and 3.6%. Same model, same day. The program prints both rows for
# every log that you show it:
#
# ```
# fathom run log_anomaly $FATHOM_DATA/deeplog/deeplog_hdfs_train --labels $FATHOM_DATA/deeplog/deeplog_hdfs_test_abnormal
# ```
#
# **Second break: a famous score without a model.** The predictor below knows nothing but which keys are frequent. It
# expects the same top $g$ after every line, and for short sessions it does what many do: fill them up with padding, which
# is never among the expected.
#
# **Predict.** At the paper's $g = 9$, how many of the faults does it detect?

# %%
frequent = [key for key, _ in Counter(key for session in train for key in session).most_common()]


def constant(session, g, least=0):
    """Alarm if a session has a key that is not among the g most frequent, or has fewer than `least` lines."""
    return len(session) < least or any(key not in frequent[:g] for key in session)


for g in (4, 6, 8, 9, 10, 12):
    share = [np.mean([constant(s, g, least=10) for s in side]) for side in (odd, test)]
    print(f"g = {g:2}: {share[0]:4.0%} of the faults found, {share[1]:4.0%} of the good releases called out")

# %% [markdown]
# Print the left column alone, and it is a paper. HDFS is the same. There, a constant top 9 with padding finds 99.3% of the
# anomalies, and calls out every fifth good session; 83.7% of them hold a key that training never saw, or have fewer than
# ten lines; a step that training never took finds 95.8% at 0.4% false alarms. The LSTM finds them all, at 1.4%. (The
# command above prints this table, too.) A score says something only beside the baseline, at a budget, on distinct
# sessions.
#
# **Third break: Monday.** On day 15 a new version of the tool words one line differently. No release is worse for it.

# %%
days = range(10, releases[-1].day + 1)
by_day = [[key for id in grouped if day[id] == d for key in grouped[id]] for d in days]
share = unseen_share(by_day, {key for session in train for key in session})
rung = []
for d in days:
    todays = [grouped[id] for id in grouped if day[id] == d and not fault[id]]
    worst, _, owners = judged(model, trained, todays)
    rung.append(float((session_scores(worst, owners, len(todays)) > threshold).float().mean()))

fig, ax = plt.subplots(figsize=(7.5, 3.4))
ax.bar(days, rung, color=BLUE, alpha=0.5, label="good releases that ring")
ax.plot(days, share, "o-", color=ORANGE, label="lines with an unseen template")
ax.axhline(BUDGET, color=INK, linestyle=":", label="budget")
ax.set(xlabel="day", ylabel="share", xticks=days)
ax.set_title("When the log changes, everything is an anomaly")
ax.legend()
plt.show()

# %% [markdown]
# The orange line needs no model and no labels, and it tells the two apart: one release with an unseen template is an
# incident, all of them are a new version. Watch it beside the alarms, and train again when it moves.
#
# ## An open experiment
#
# The pairs look back one key, the model ten. How far does one need to look? Train with `h` of 1, 2, 3, 5 and 20 (`fit` and
# `judged` take it) and draw the faults found at a budget of 3% against it, with the pairs as a line. Guess first which
# kind of fault needs the longest memory. Then try it on a log of your own: `fathom run log_anomaly your.log`.

# %%
# your experiment

# %% [markdown]
# ## In your own words
#
# What do you know now that you did not this morning? One or two sentences, as you would tell a colleague. For
# example: "Our detector was nearly perfect, and nine in ten of the sessions we tried it on were copies. I now ask first
# what two lines without a model would have found."

# %%
words = ""
if words:
    aha(words)
