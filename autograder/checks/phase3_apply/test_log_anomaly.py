"""Checks of the log detector: regular grammar by hand-made lines, slow loops, counting, and torch's own LSTM.

Lines, sessions and scores are drawn anew for every check; wherever an order could hide a mistake, it is shuffled.
"""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from autograder.judge import observation, part

WILD = "<*>"
WORDS = "disk node opened closed moved lost found late early quiet noisy green blue north south left right up".split()


def numbers(rng, *shape):
    """A float32 tensor of normal numbers."""
    return torch.from_numpy(rng.normal(size=shape)).float()


def value(rng, kind):
    """A value of a kind, as the stub describes it."""
    digits = int(rng.integers(10, 10**6))
    quad = ".".join(str(n) for n in rng.integers(1, 256, 4))
    return {
        "block": f"blk_{digits}",
        "negative block": f"blk_-{digits}",
        "address": quad,
        "port": f"{quad}:{digits % 60000}",
        "hex": f"0x{digits:x}",
        "capitals": f"0x{digits:X}",
        "number": str(digits),
        "fraction": f"{digits}.{int(rng.integers(10, 99))}",
    }[kind]


KINDS = ["block", "negative block", "address", "port", "hex", "capitals", "number", "fraction"]
AROUND = ["{}", "({})", "[{}],", "/{}", "size={}", "{};", '"{}"', "rel-{}", "{}:"]
STAYS = ["sshd2", "v1", "20ms", "node_7", "7_up", "0xfgh", "blk_", "blk-x", "a.b", "x86_64", "3rd", "0X1F", "BLK_12"]
KEPT = "What was handed in is no longer what it was. Which line of yours writes into it?"
PARTED = "copies of one session are on two sides"


def sessions(rng, S, K, least=1, most=7):
    """S sessions of keys below K, of different lengths."""
    return [[int(k) for k in rng.integers(0, K, rng.integers(least, most))] for _ in range(S)]


def judge(expect, seen, want, given, message, **rules):
    """Expect an observation's result to be right, and what was handed in to be as it was."""
    found, after = seen
    expect(found, want, message, **rules)
    expect(after, given, KEPT)


@observation
def masked(learner, line):
    tokens, values = learner.mask(line)
    return {"tokens": list(tokens), "values": list(values)}


@observation
def similar(learner, pairs):
    return [learner.similarity(list(template), list(tokens)) for template, tokens in pairs]


@observation
def mined(learner, lines, threshold, prefix):
    miner = learner.Miner(threshold, prefix)
    keys = [miner.key(tokens) for tokens in lines]
    other = learner.Miner(threshold, prefix)
    found = {
        "keys": keys,
        "templates": [list(template) for template in miner.templates],
        "another miner": other.key(list(lines[-1])),
    }
    return found, lines


@observation
def sorted_by_session(learner, ids, keys):
    return [[id, list(found)] for id, found in learner.by_session(ids, keys).items()]


@observation
def posed(learner, sessions, h, edge):
    histories, targets, owners = learner.windows(sessions, h, edge)
    return {"histories": histories, "targets": targets, "owners": owners}, sessions


@observation
def dealt(learner, sessions, valid, test, seeds, calls):
    sides = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        for _ in range(calls):
            train, valid_side, test_side = learner.split(sessions, valid, test, generator)
            sides.append([[int(i) for i in side] for side in (train, valid_side, test_side)])
    return sides


@observation
def known_from(learner, sessions, edge):
    return sorted(tuple(pair) for pair in learner.known_steps(sessions, edge)), sessions


@observation
def unknown_in(learner, tried, known, edge):
    known = {tuple(pair) for pair in known}
    return [[bool(new) for new in learner.unknown_steps(session, known, edge)] for session in tried], tried


@observation
def unseen_by_day(learner, days, known):
    return [float(share) for share in learner.unseen_share(days, set(known))]


@observation
def foretold(learner, K, C, H, weights, histories, pull):
    model = probe.load(learner.KeyModel(K, C, H), weights)
    logits, again, two = model(histories), model(histories), model(histories[:2])
    slopes = probe.parameter_gradients(model, (logits * pull).sum()) if logits.shape == pull.shape else {}
    return {"logits": logits, "asked once more": again, "two of them alone": two, "slopes": slopes}


@observation
def surprised(learner, logits, targets, trained):
    return learner.surprise(logits, targets, trained), logits


@observation
def ranked(learner, logits, targets, trained):
    return learner.ranks(logits, targets, trained), logits


@observation
def worst(learner, scores, owners, sessions):
    return learner.session_scores(scores, owners, sessions)


@observation
def rung(learner, valid, test, budget):
    threshold, alarms = learner.alarms(valid, test, budget)
    return {"threshold": threshold, "alarms": [bool(alarm) for alarm in alarms]}, [valid, test]


@observation
def explained(learner, logits, targets, trained, threshold, g):
    found = learner.explain(logits, targets, trained, threshold, g)
    return found if found is None else {**found, "expected": [list(pair) for pair in found["expected"]]}, logits


@observation
def fitted(learner, train, valid):
    return list(learner.value_model(train.clone(), valid.clone()))


@observation
def scored(learner, model, values):
    return learner.value_scores(tuple(model), values), values


@part("mask")
def test_each_kind_is_found_wherever_it_stands(observe, expect, rng):
    for kind, around in itertools.product(KINDS, rng.choice(AROUND, 4, replace=False)):
        found = value(rng, kind)
        if around == "{}:" and kind == "address":
            around = "{};"  # a colon here, and then no port: who writes that?
        before, after = rng.choice(WORDS, 2, replace=False)
        want = {"tokens": [before, around.format(WILD), after], "values": [found]}
        line = f"{before} {around.format(found)}  {after}"
        expect(observe(masked, line), want, f"The line is {line!r}. Where does its value begin and end?")


@part("mask")
def test_several_values_keep_their_order(observe, expect, rng):
    for _ in range(4):
        found = [value(rng, kind) for kind in rng.permutation(KINDS)]
        words = rng.permutation(WORDS)[: len(found)]
        line = "\t".join(f"{word} {each}" for word, each in zip(words, found))
        want = {"tokens": [token for word in words for token in (str(word), WILD)], "values": found}
        expect(observe(masked, line), want, f"The line is {line!r}. Which values, from left to right?")


@part("mask")
def test_what_touches_a_letter_is_a_word(observe, expect, rng):
    words = [str(word) for word in rng.permutation(STAYS)]
    for line in (" ".join(words), *words[:5]):
        want = {"tokens": line.split(), "values": []}
        expect(observe(masked, line), want, f"The line is {line!r}. Digits that are part of a word are no value.")


@part("mask")
def test_a_value_ends_where_its_kind_does(observe, expect, rng):
    a, b, c, d = (str(n) for n in rng.integers(10, 10**4, 4))
    for line, tokens, values in (
        (f"offset -{a}", ["offset", f"-{WILD}"], [a]),
        (f"took {b}. done", ["took", f"{WILD}.", "done"], [b]),
        (f"from {c}.{d}.{a} to {b}.{d}.", ["from", f"{WILD}.{WILD}", "to", f"{WILD}."], [f"{c}.{d}", a, f"{b}.{d}"]),
        (f"sizes {a} {b} {c} {d}", ["sizes", *[WILD] * 4], [a, b, c, d]),
        (f"at {b}:{c}:{d}:{a}", ["at", ":".join([WILD] * 4)], [b, c, d, a]),
    ):
        message = f"The line is {line!r}. How far does each kind reach, by the table in the stub?"
        expect(observe(masked, line), {"tokens": tokens, "values": values}, message)


@part("miner")
def test_equal_words_count_and_holes_do_not(observe, expect, rng):
    pairs, want = [], []
    for n in (1, 3, 5, 8):
        template, tokens = (list(rng.choice(WORDS[:4], n)) for _ in range(2))
        for i in np.flatnonzero(rng.random(n) < 0.4):
            template[i] = WILD
        if n > 3:
            template[1] = tokens[1] = WILD
        pairs.append([[str(t) for t in template], [str(w) for w in tokens]])
        want.append(sum(t == w and t != WILD for t, w in zip(template, tokens)) / n)
    expect(observe(similar, pairs), want, "Share of all places, and a hole in the template is the same as nothing.")


def slow_miner(lines, threshold, prefix):
    """Drain by comparing with every template there is."""
    keys, templates, starts = [], [], []
    for tokens in lines:
        start = tuple(WILD if any(c in "0123456789" for c in t) or WILD in t else t for t in tokens[:prefix])
        best, most = None, -1.0
        for key, template in enumerate(templates):
            if len(template) == len(tokens) and starts[key] == start:
                share = sum(t == w != WILD for t, w in zip(template, tokens)) / len(tokens)
                if share > most:
                    best, most = key, share
        if best is None or most < threshold:
            best = len(templates)
            templates.append(list(tokens))
            starts.append(start)
        for i, word in enumerate(tokens):
            if templates[best][i] != word:
                templates[best][i] = WILD
        keys.append(best)
    return keys, templates


@part("miner")
@pytest.mark.parametrize(("threshold", "prefix"), [(0.5, 1), (0.5, 2), (0.75, 0), (0.25, 1)])
def test_lines_find_their_template(observe, expect, rng, threshold, prefix):
    starts = [["open"], ["close"], ["node7"], ["node8"], [WILD], ["rel-" + WILD]]
    lines = []
    for _ in range(90):
        tail = [str(w) for w in rng.choice([*WORDS[:3], WILD], rng.choice([3, 3, 7]), p=[0.4, 0.25, 0.15, 0.2])]
        lines.append([*starts[rng.integers(len(starts))], *tail])
    lines.append(["single"])
    keys, templates = slow_miner(lines, threshold, prefix)
    want = {"keys": keys, "templates": templates, "another miner": 0}
    message = (
        "Same length, same beginning, most similar, oldest of equals: at which line does yours first choose otherwise?"
    )
    judge(expect, observe(mined, lines, threshold, prefix), want, lines, message)


@part("miner")
def test_a_template_opens_where_its_lines_differ(observe, expect, rng):
    a, b, c, d, e = (str(w) for w in rng.permutation(WORDS)[:5])
    lines = [[a, b, c, d], [a, b, e, d], [a, e, c, d], [a, e, e, e], [a, b, c], [a, d, e, d]]
    keys, templates = slow_miner(lines, 0.5, 1)
    want = {"keys": keys, "templates": templates, "another miner": 0}
    message = f"Lines {lines}: what is left of the first template after each?"
    judge(expect, observe(mined, lines, 0.5, 1), want, lines, message)


@part("windows")
def test_interleaved_lines_go_to_their_sessions(observe, expect, rng):
    keys = [int(k) for k in rng.integers(0, 9, 60)]
    ids = [None if i == 4 else f"s{i}" for i in rng.integers(0, 6, 60)]
    want = []
    for id in ids:
        if id is not None and id not in [name for name, _ in want]:
            want.append([id, [k for k, other in zip(keys, ids) if other == id]])
    message = "Lines of several sessions stand between one another. Whose is each, and in which order?"
    expect(observe(sorted_by_session, ids, keys), want, message)
    want = [[7, [1, 3]], [0, [2, 4]], [3, [6]]]
    message = "An id may be 0. Only None means: no session; and there need not be any."
    expect(observe(sorted_by_session, [7, 0, 7, 0, 3], [1, 2, 3, 4, 6]), want, message)


@part("windows")
@pytest.mark.parametrize("h", [1, 3, 6])
def test_every_key_and_every_end_is_asked_for_once(observe, expect, rng, h):
    K = 11
    given = [*sessions(rng, 5, K), [4], [int(k) for k in rng.integers(0, K, 9)], [2, 5]]
    histories, targets, owners = [], [], []
    for owner, session in enumerate(given):
        for i in range(len(session) + 1):
            histories.append([session[j] if j >= 0 else K for j in range(i - h, i)])
            targets.append(session[i] if i < len(session) else K)
            owners.append(owner)
    want = {"histories": torch.tensor(histories), "targets": torch.tensor(targets), "owners": torch.tensor(owners)}
    message = (
        f"h = {h}, sessions of {[len(s) for s in given]} lines. What stands before each line, and whose line is it?"
    )
    judge(expect, observe(posed, given, h, K), want, given, message, dtype=True)


def copied(rng, S, distinct):
    """S sessions, of which so many are distinct, the first ones far more frequent; two differ in order, two in length."""
    kinds = [[i, *(int(k) for k in rng.integers(20, 29, rng.integers(1, 4)))] for i in range(distinct - 2)]
    kinds += [kinds[0][::-1], [*kinds[1], 1]]
    chosen = [*range(distinct), *np.minimum(rng.geometric(0.3, S - distinct) - 1, distinct - 1)]
    return [list(kinds[i]) for i in rng.permutation(chosen)]


def dealt_kinds(given, sides):
    """The distinct sessions of each side; where copies are parted, a sentence says so."""
    kinds = [{tuple(given[i]) for i in side if 0 <= i < len(given)} for side in sides]
    return PARTED if sum(map(len, kinds)) > len(set.union(*kinds)) else kinds


@part("split")
def test_equal_sessions_stay_together(observe, expect, rng):
    given = copied(rng, 60, 17)
    for sides in observe(dealt, given, 4, 5, [3, 8], 1):
        kinds = dealt_kinds(given, sides)
        got = {
            "distinct sessions": PARTED if kinds == PARTED else [len(kind) for kind in kinds],
            "all there, once": sorted(i for side in sides for i in side) == list(range(60)),
            "in rising order": sides == [sorted(side) for side in sides],
        }
        want = {"distinct sessions": [8, 4, 5], "all there, once": True, "in rising order": True}
        expect(got, want, "17 distinct sessions, many copies. Which sides do the copies of one session go to?")


@part("split")
def test_chance_decides_and_nothing_else(observe, expect, rng):
    given, calls = copied(rng, 40, 10), 300
    runs = observe(dealt, given, 2, 3, [int(rng.integers(10**6))] * 2, calls)
    expect(runs[calls:], runs[:calls], "The same generator state twice, and two different choices. Who else draws?")
    draws = [dealt_kinds(given, sides) for sides in runs[:calls]]
    if PARTED in draws:
        got = PARTED
    else:
        order = sorted({tuple(session) for session in given})
        on = np.array([[[kind in side for kind in order] for side in kinds] for kinds in draws])
        held = (on[:, 1] | on[:, 2]).astype(float)
        got = {"each on train, valid, test": on.mean(0), "two of them held out": held.T @ held / calls}
    two = np.where(np.eye(10, dtype=bool), 0.5, 2 / 9)
    want = {"each on train, valid, test": np.repeat([[0.5], [0.2], [0.3]], 10, 1), "two of them held out": two}
    message = f"{calls} calls with one generator: where is each distinct session how often? Is every choice as likely?"
    expect(got, want, message, rtol=0.0, atol=0.13)


@part("baseline")
def test_steps_from_edge_to_edge_are_known(observe, expect, rng):
    given = sessions(rng, 6, 8)
    want = sorted({pair for s in given for pair in zip([8, *s], [*s, 8])})
    judge(expect, observe(known_from, given, 8), want, given, "Which step leads into a session, and which out of it?")


@part("baseline")
def test_new_steps_are_found_where_they_are(observe, expect, rng):
    known = sorted({pair for s in sessions(rng, 8, 6, 3) for pair in zip([6, *s], [*s, 6])})
    tried = [*sessions(rng, 5, 6), [int(rng.integers(6)), 97, int(rng.integers(6))]]
    want = [[pair not in known for pair in zip([6, *s], [*s, 6])] for s in tried]
    message = "A session of n lines takes n + 1 steps. Which of them did training never take?"
    judge(expect, observe(unknown_in, tried, known, 6), want, tried, message)


@part("baseline")
def test_news_of_a_day_is_a_share_of_its_lines(observe, expect, rng):
    known = [int(k) for k in rng.permutation(12)[:7]]
    days = [[int(k) for k in rng.integers(0, 12, n)] for n in (9, 0, 16, 5, 16)]
    days[4] = list(days[2])
    want = [sum(k not in known for k in d) / len(d) if d else 0.0 for d in days]
    message = "Each day by itself against what was known from the start; a key counts as often as it occurs."
    expect(observe(unseen_by_day, days, known), want, message)


def model_case(rng, N=7, h=4, K=9, C=5, H=6):
    """Weights under the stub's names, histories, and what torch's own LSTM makes of them."""
    embed, lstm, head = nn.Embedding(K + 1, C), nn.LSTM(C, H, batch_first=True), nn.Linear(H, K + 1)
    for parameter in (*embed.parameters(), *lstm.parameters(), *head.parameters()):
        parameter.data = numbers(rng, *parameter.shape)
    histories = torch.from_numpy(rng.integers(0, K + 1, (N, h)))
    pull = numbers(rng, N, K + 1)
    logits = head(lstm(embed(histories))[0][:, -1])
    (logits * pull).sum().backward()
    parts = {"embed": embed, "cell": lstm, "head": head}
    named = {f"{n}.{p.removesuffix('_l0')}": v for n, m in parts.items() for p, v in m.named_parameters()}
    weights, slopes = ({n: getattr(p, what).detach() for n, p in named.items()} for what in ("data", "grad"))
    logits = logits.detach()
    want = {"logits": logits, "asked once more": logits, "two of them alone": logits[:2], "slopes": slopes}
    return (K, C, H, weights, histories, pull), want


@part("next_key")
@pytest.mark.parametrize("h", [1, 4])
def test_it_foretells_as_torch_does(observe, expect, rng, h):
    arguments, want = model_case(rng, h=h)
    message = (
        "The weights are those of an nn.Embedding, an nn.LSTM and an nn.Linear. Which state does the answer come from?"
    )
    expect(observe(foretold, *arguments), want, message, rtol=1e-4, atol=1e-4)


def answers(rng, N=40, K=9):
    """Logits, targets and trained keys; a few targets were never trained, though their logits are high."""
    trained = torch.from_numpy(rng.permutation([False] * 3 + [True] * (K - 2)))
    logits = torch.from_numpy(rng.permuted(np.linspace(-3, 3, K + 1)[None].repeat(N, 0), axis=1)).float()
    logits[:, ~trained] += 2.5
    return logits + numbers(rng, N, 1), torch.from_numpy(rng.integers(0, K + 1, N)), trained


@part("next_key")
def test_surprise_is_the_loss_over_trained_keys(observe, expect, rng):
    logits, targets, trained = answers(rng)
    own = trained.long().cumsum(0) - 1
    want = torch.full((len(targets),), math.inf)
    met = trained[targets]
    want[met] = F.cross_entropy(logits[met][:, trained], own[targets[met]], reduction="none")
    message = "Some of these targets never occurred in training. What is their probability, and do they take any away?"
    judge(expect, observe(surprised, logits, targets, trained), want, logits, message)
    sure = torch.tensor([[120.0, 0.0, -90.0], [0.5, 0.0, 200.0]])
    want = torch.tensor([210.0, 199.5])
    got, _ = observe(surprised, sure, torch.tensor([2, 0]), torch.tensor([True, True, True]))
    expect(got, want, "Logits 200 apart: a probability of 0 in a float, and yet not an infinite surprise.")


@part("next_key")
def test_rank_counts_who_was_likelier(observe, expect, rng):
    logits, targets, trained = answers(rng)
    want = []
    for row, target in zip(logits.tolist(), targets.tolist()):
        likelier = sum(score > row[target] for score, ok in zip(row, trained) if ok)
        want.append(likelier if trained[target] else int(trained.sum()))
    message = "Among the trained keys, how many are likelier? And where does one stand that was never trained?"
    judge(expect, observe(ranked, logits, targets, trained), torch.tensor(want), logits, message, dtype=True)
    level = torch.tensor([[1.0, 1.0, 0.5, 1.0]])
    got, _ = observe(ranked, level.repeat(2, 1), torch.tensor([3, 2]), torch.ones(4, dtype=torch.bool))
    expect(got, torch.tensor([0, 3]), "Three keys have the same logit. Which of them are greater than the target's?")


@part("budget")
def test_a_session_is_as_odd_as_its_worst_line(observe, expect, rng):
    owners = torch.from_numpy(rng.permutation([0] * 2 + [1] * 9 + [2] + [3] * 6))
    below = numbers(rng, 18) - 2.0
    below[(owners == 1).nonzero()[0]] = math.inf  # a key that was never trained
    for scores in (below, torch.from_numpy(rng.permutation(50)[:18])):
        want = torch.stack([max(s for s, o in zip(scores, owners) if o == owner) for owner in range(4)])
        message = "Sessions of 2, 9, 1 and 6 lines. Does a long session get a worse score only for being long?"
        expect(observe(worst, scores, owners, 4), want, message, dtype=True)


def slow_alarms(valid, test, budget):
    """Try every score of the validation sessions as a threshold."""
    fits = [t for t in valid.tolist() if sum(s > t for s in valid.tolist()) <= budget * len(valid)]
    return {"threshold": float(min(fits)), "alarms": [s > min(fits) for s in test.tolist()]}


@part("budget")
def test_the_budget_is_kept_on_validation(observe, expect, rng):
    for budget, V in ((0.0, 47), (0.05, 47), (0.33, 47), (0.25, 48)):
        valid, test = torch.from_numpy(rng.normal(2.0, 1.0, V)), torch.from_numpy(rng.normal(3.0, 1.5, 31))
        message = f"Budget {budget}, {V} validation scores, 31 to judge. Which scores decide where the bell rings?"
        judge(expect, observe(rung, valid, test, budget), slow_alarms(valid, test, budget), [valid, test], message)


@part("budget")
def test_ties_stay_within_the_budget(observe, expect, rng):
    for budget in (0.04, 0.15, 0.5):
        valid = torch.from_numpy(rng.permutation([1] * 9 + [3] * 8 + [4] * 11 + [14] * 3))
        test = torch.from_numpy(rng.permutation([1, 3, 3, 4, 5, 14, 14, 15]))
        message = f"Budget {budget}. Many sessions share one score: do they ring together, and may they?"
        judge(expect, observe(rung, valid, test, budget), slow_alarms(valid, test, budget), [valid, test], message)


def explanation(logits, targets, trained, threshold, g):
    """The explanation, line by line and key by key."""
    for line, (row, target) in enumerate(zip(logits.double(), targets.tolist())):
        total = sum(math.exp(x) for x, ok in zip(row.tolist(), trained) if ok)
        shares = {k: math.exp(x) / total if trained[k] else 0.0 for k, x in enumerate(row.tolist())}
        if shares[target] == 0 or -math.log(shares[target]) > threshold:
            best = sorted(shares.items(), key=lambda pair: -pair[1])[:g]
            return {"line": line, "seen": target, "probability": shares[target], "expected": [list(p) for p in best]}
    return None


@part("explain")
@pytest.mark.parametrize("g", [1, 3])
def test_it_points_at_the_first_line_over_the_threshold(observe, expect, rng, g):
    for first, threshold in ((4, 3.0), (0, 3.0), (2, 0.9)):  # 0.9 lies between the favourite and the second
        logits, targets, trained = answers(rng, N=12)
        likely = logits.masked_fill(~trained, -math.inf).argsort(descending=True)
        targets[: first or 12] = likely[: first or 12, 0]  # after an alarm at line 0, none
        targets[first] = likely[first, 1 if threshold < 1.0 else int(trained.sum()) - 1]
        if first:
            targets[first + 1] = int((~trained).nonzero()[0])
        want = explanation(logits, targets, trained, threshold, g)
        message = "Where does the alarm begin, what came there, and what was expected, by trained keys only?"
        seen = observe(explained, logits, targets, trained, threshold, g)
        judge(expect, seen, want, logits, message, rtol=1e-4, atol=1e-6)


@part("explain")
def test_a_key_never_trained_has_no_probability(observe, expect, rng):
    logits, targets, trained = answers(rng, N=9)
    targets[:] = logits.masked_fill(~trained, -math.inf).argmax(1)
    targets[6] = int((~trained).nonzero()[1])
    want = explanation(logits, targets, trained, 4.0, 2)
    message = "The seventh line has a template that training never saw. How likely was it said to be?"
    seen = observe(explained, logits, targets, trained, 4.0, 2)
    judge(expect, seen, want, logits, message, rtol=1e-4, atol=1e-6)


@part("explain")
def test_without_an_alarm_there_is_nothing_to_explain(observe, expect, rng):
    logits, targets, trained = answers(rng, N=9)
    targets[:] = logits.masked_fill(~trained, -math.inf).argmax(1)
    seen = observe(explained, logits, targets, trained, 3.0, 2)
    judge(expect, seen, None, logits, "No line here is over the threshold.")
    targets[3] = int((~trained).nonzero()[0])
    message = "A threshold that nothing can be greater than: is there an alarm?"
    judge(expect, observe(explained, logits, targets, trained, math.inf, 2), None, logits, message)


def wandering(rng, n, level=50.0):
    """Values near the ones before them."""
    found = [level]
    for _ in range(n - 1):
        found.append(0.6 * found[-1] + 0.4 * level + rng.normal(0.0, 3.0))
    return torch.tensor(found, dtype=torch.float64)


@part("values")
def test_the_line_is_fitted_on_training_and_its_errors_on_validation(observe, expect, rng):
    train, valid = wandering(rng, 40), wandering(rng, 25, 58.0)
    b, a = np.polyfit(train[:-1].numpy(), train[1:].numpy(), 1)
    residuals = valid[1:].numpy() - a - b * valid[:-1].numpy()
    want = [float(a), float(b), float(residuals.mean()), float(residuals.std())]
    message = "a, b, mu, sigma: which values is the line fitted to, and which ones say how far off it is?"
    expect(observe(fitted, train, valid), want, message, rtol=1e-6)


@part("values")
def test_a_value_that_never_changes_breaks_nothing(observe, expect, rng):
    level = float(rng.integers(20, 90))
    still = torch.full((6,), level, dtype=torch.float64)
    message = "All values are equal: no slope can be found, and nothing is off. What should the four numbers be?"
    expect(observe(fitted, still, still[:4]), [level, 0.0, 0.0, 1e-6], message, rtol=1e-9, atol=1e-12)
    jump = torch.cat([still, still[:1] + 6.0])
    message = "Only the last value of training differs. Every value that has one after it is the same."
    expect(observe(fitted, jump, wandering(rng, 9))[:2], [level + 1.0, 0.0], message, rtol=1e-9)


@part("values")
def test_scores_count_sigmas_from_what_was_expected(observe, expect, rng):
    a, b, mu, sigma = 8.0, float(rng.uniform(0.4, 0.8)), float(rng.uniform(1.0, 2.0)), float(rng.uniform(2.0, 5.0))
    values = wandering(rng, 14, 30.0)
    values[6] += 40.0
    want = [0.0] + [(v - (a + b * u) - mu) / sigma for u, v in zip(values.tolist(), values.tolist()[1:])]
    message = "Off by how many sigmas, to which side, and what can be said of the first value?"
    seen = observe(scored, [a, b, mu, sigma], values)
    judge(expect, seen, torch.tensor(want, dtype=torch.float64), values, message, dtype=True)
