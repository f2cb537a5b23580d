"""Checks of the GPT: against GPT-2 written with torch's own functions, published parameter counts and closed forms.

`gpt2` below is the oracle of nearly all of them: given weights by name, a dozen lines of torch.nn.functional.
"""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from autograder.judge import observation, part, raises

LINEARS = ("attn.c_attn", 3, 1), ("attn.c_proj", 1, 1), ("mlp.c_fc", 4, 1), ("mlp.c_proj", 1, 4)  # out, in: times C
SMALL = {"block_size": 11, "vocab_size": 29, "n_layer": 2, "n_head": 3, "n_embd": 12}


def shapes(config, bias=True):
    """Names and shapes of all weights of a GPT, the head included."""
    C, norm = config["n_embd"], {"weight": 1, "bias": 1} if bias else {"weight": 1}
    found = {"wte.weight": (config["vocab_size"], C), "wpe.weight": (config["block_size"], C)}
    found |= {f"ln_f.{kind}": (C,) for kind in norm}
    for layer in range(config["n_layer"]):
        for name, out, inside in LINEARS:
            found[f"h.{layer}.{name}.weight"] = out * C, inside * C
            if bias:
                found[f"h.{layer}.{name}.bias"] = (out * C,)
        found |= {f"h.{layer}.{name}.{kind}": (C,) for name in ("ln_1", "ln_2") for kind in norm}
    return {f"transformer.{name}": shape for name, shape in found.items()}


def draw(rng, shape, size=1.0):
    return torch.from_numpy(rng.normal(size=shape) * size).float()


def weights_of(rng, config, bias=True):
    """Random weights that no two places share, the head's those of the token table; norms are not neutral."""
    found = {}
    for name, shape in shapes(config, bias).items():
        noise = draw(rng, shape, 0.3 if len(shape) == 2 else 0.4)
        found[name] = noise + 1.0 if ".ln_" in name and name.endswith("weight") else noise
    return found | {"lm_head.weight": found["transformer.wte.weight"]}


def below(weights, prefix):
    """The weights of one submodule, under the names that it knows them by."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def attend(w, H, x, past=None):
    """Causal self-attention on weights c_attn and c_proj; `past` are keys and values of earlier positions."""
    B, T, C = x.shape
    q, k, v = F.linear(x, w["c_attn.weight"], w.get("c_attn.bias")).view(B, T, 3, H, C // H).permute(2, 0, 3, 1, 4)
    if past is not None:
        k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
    S = k.shape[2]
    may = torch.arange(S)[None, :] <= torch.arange(S - T, S)[:, None]
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=may).transpose(1, 2).reshape(B, T, C)
    return F.linear(y, w["c_proj.weight"], w.get("c_proj.bias"))


def think(w, x):
    return F.linear(
        F.gelu(F.linear(x, w["c_fc.weight"], w.get("c_fc.bias")), approximate="tanh"),
        w["c_proj.weight"],
        w.get("c_proj.bias"),
    )


def norm(w, name, x):
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w.get(f"{name}.bias"))


def block(w, H, x, past=None):
    x = x + attend(below(w, "attn."), H, norm(w, "ln_1", x), past)
    return x + think(below(w, "mlp."), norm(w, "ln_2", x))


def gpt2(weights, config, idx):
    """Logits at every position."""
    w = below(weights, "transformer.")
    x = F.embedding(idx, w["wte.weight"]) + w["wpe.weight"][: idx.shape[1]]
    for layer in range(config["n_layer"]):
        x = block(below(w, f"h.{layer}."), config["n_head"], x)
    return norm(w, "ln_f", x) @ w["wte.weight"].T


def greedy(weights, config, idx, steps):
    """Continue by the most probable token, with a window of the last block_size, by a slow loop."""
    for _ in range(steps):
        best = gpt2(weights, config, idx[:, -config["block_size"] :])[:, -1].argmax(-1, keepdim=True)
        idx = torch.cat((idx, best), 1)
    return idx


def filtered(row, temperature=1.0, top_k=None, top_p=None):
    """Probabilities of the next token for one row of logits, by a slow loop over tokens in the order of preference."""
    weight = [math.exp((x - max(row)) / temperature) for x in row]
    ranked = sorted(range(len(row)), key=lambda i: -weight[i])[:top_k]
    total, reached, kept = sum(weight[i] for i in ranked), 0.0, []
    for i in ranked:
        kept.append(i)
        reached += weight[i] / total
        if top_p is not None and reached >= top_p:
            break
    total = sum(weight[i] for i in kept)
    return [weight[i] / total if i in kept else 0.0 for i in range(len(row))]


def tokens(rng, *shape, below=29):
    return torch.from_numpy(rng.integers(0, below, shape))


# ---- what is looked at


@observation
def parameters_counted(learner, configs):
    return [learner.count_parameters(learner.GPTConfig(**config)) for config in configs]


@observation
def bend(learner, x):
    return learner.gelu(x)


@observation
def thoughts(learner, config, weights, x):
    mlp = probe.load(learner.MLP(learner.GPTConfig(**config)), weights).eval()
    return mlp(x)


@observation
def looks_back(learner, config, weights, x, past=None):
    class Past:
        def __init__(self):
            self.k, self.v = past

        def extend(self, k, v):
            self.k, self.v = torch.cat((self.k, k), 2), torch.cat((self.v, v), 2)
            return self.k, self.v

    attention = probe.load(learner.CausalSelfAttention(learner.GPTConfig(**config)), weights).eval()
    with torch.no_grad():
        return attention(x) if past is None else attention(x, Past())


@observation
def one_block(learner, config, weights, x, past=None):
    class Past:
        def extend(self, k, v):
            return torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)

    block, stream = probe.load(learner.Block(learner.GPTConfig(**config)), weights).eval(), x.clone()
    with torch.no_grad():
        out = block(stream) if past is None else block(stream, Past())
    return {"out": out, "x afterwards": stream}


@observation
def slopes_through_a_block(learner, config, weights, x):
    block, given = probe.load(learner.Block(learner.GPTConfig(**config)), weights).eval(), x.clone().requires_grad_()
    return probe.gradients((block(given * 1.0) ** 2).sum(), [given])


@observation
def what_the_mlp_drops(learner, config, weights, x):
    """In training, then in eval: the share of zeros in what comes out, and its largest number."""
    mlp = probe.load(learner.MLP(learner.GPTConfig(**config)), weights)
    with torch.no_grad():
        out = mlp.train()(x), mlp.eval()(x)
    return [[(y == 0).float().mean().item(), y.max().item()] for y in out]


@observation
def what_attention_drops(learner, config, weights, x):
    attention = probe.load(learner.CausalSelfAttention(learner.GPTConfig(**config)), weights)
    with torch.no_grad():
        out = attention.train()(x), attention.eval()(x)
    top = [y.max().item() for y in out]
    return [
        [(y == 0).float().mean().item(), (y > 0.99 * most).float().mean().item(), most] for y, most in zip(out, top)
    ]


@observation
def what_the_entrance_drops(learner, config, weights, idx):
    model = probe.load(learner.GPT(learner.GPTConfig(**config)), weights)
    with torch.no_grad():
        out = model.train().embed(idx), model.eval().embed(idx)
    return [[(y == 0).float().mean().item(), y.max().item()] for y in out]


@observation
def nothing_enters(learner, config, weights, idx):
    """Logits in training where all that enters is dropped: how far they are from those of the first position."""
    model = probe.load(learner.GPT(learner.GPTConfig(**config)), weights)
    model.transformer.drop.p = 1.0
    logits = model.train()(idx)[0]
    return (logits - logits[0, 0]).abs().max().item()


@observation
def beginnings(learner, configs):
    """Per configuration: parameters by name, tied ones once; and mean and deviation of each, after a second start."""
    found = []
    for config in configs:
        model = learner.GPT(learner.GPTConfig(**config))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(7.0)
        model.initialise()
        values = {name: p.detach() for name, p in model.named_parameters(remove_duplicate=False)}
        spread = {name: [v.mean().item(), v.std(unbiased=False).item()] for name, v in values.items()}
        found.append({"shapes": probe.shapes(model), "spread": spread})
    return found


@observation
def both_ends(learner, config, weights, idx, targets):
    """Gradient of the token table, and the head after a step of the table."""
    model = probe.load(learner.GPT(learner.GPTConfig(**config)), weights).eval()
    x = model.transformer.wte(idx)
    F.cross_entropy(model.lm_head(x).flatten(0, 1), targets.flatten()).backward()
    gradient = model.transformer.wte.weight.grad.clone()
    with torch.no_grad():
        model.transformer.wte.weight += 1.0
    return {"gradient": gradient, "head": model.lm_head.weight.detach()}


@observation
def entrances(learner, config, weights, idx, starts):
    model = probe.load(learner.GPT(learner.GPTConfig(**config)), weights).eval()
    return [model.embed(idx) if start is None else model.embed(idx, start=start) for start in starts]


@observation
def logits_and_loss(learner, config, weights, idx, targets=None):
    model = probe.load(learner.GPT(learner.GPTConfig(**config)), weights).eval()
    return model(idx, targets)


@observation
def first_losses(learner, config, idx, targets):
    losses = []
    for seed in range(3):
        torch.manual_seed(seed)
        losses.append(learner.GPT(learner.GPTConfig(**config))(idx, targets)[1].item())
    return sum(losses) / 3


@observation
def chances(learner, logits, **how):
    given = logits.clone()
    return {"probabilities": learner.next_token_probabilities(given, **how), "logits": given}


@observation
def after_the_text(learner, config, weights, texts):
    model = probe.load(learner.GPT(learner.GPTConfig(**config)), weights).eval()
    with torch.no_grad():
        return [model.next_logits(idx) for idx in texts]


@observation
def written(learner, config, weights, idx, steps, **how):
    model = probe.load(learner.GPT(learner.GPTConfig(**config)), weights).eval()
    return model.generate(idx, steps, **how)


@observation
def frequencies(learner, config, weights, idx, steps, **how):
    """How often each token is written at each new place, over all rows."""
    model = probe.load(learner.GPT(learner.GPTConfig(**config)), weights).eval()
    new = model.generate(idx, steps, **how)[:, idx.shape[1] :]
    return [torch.bincount(column, minlength=config["vocab_size"]) / len(column) for column in new.T]


@observation
def kept_in_a_cache(learner, pieces):
    cache = learner.KVCache()
    seen = []
    for k, v in pieces:
        keys, values = cache.extend(k, v)
        seen.append([keys.clone(), values.clone(), cache.length])
    cache.clear()
    return [*seen, [cache.length, *cache.extend(*pieces[0])]]


@observation
def put_through_in_pieces(learner, config, weights, idx, sizes):
    model = probe.load(learner.GPT(learner.GPTConfig(**config)), weights).eval()
    caches = [learner.KVCache() for _ in range(config["n_layer"])]
    with torch.no_grad():
        logits = [model.extend(piece, caches) for piece in idx.split(sizes, dim=1)]
    return {"logits": torch.cat(logits, 1), "kept": [cache.length for cache in caches]}


@observation
def the_fast_way(learner, config, weights, idx, lengths):
    """Logits after the first n tokens for each n in turn, with the same caches, and how many tokens went through."""
    model = probe.load(learner.GPT(learner.GPTConfig(**config)), weights).eval()
    caches = [learner.KVCache() for _ in range(config["n_layer"])]
    passes = []
    model.transformer.h[0].register_forward_pre_hook(lambda block, inputs: passes.append(inputs[0].shape[1]))
    with torch.no_grad():
        logits = [model.next_logits_cached(idx[:, :n], caches) for n in lengths]
    return {"logits": logits, "tokens": sum(passes)}


@observation
def loaded(learner, config, checkpoint, idx):
    given = {name: tensor.clone() for name, tensor in checkpoint.items()}
    model = learner.GPT(learner.GPTConfig(**config)).eval()
    result = learner.load_gpt2(model, given)
    with torch.no_grad():
        logits = result(idx)[0]
        for parameter in result.parameters():
            parameter += 1.0
    return {"logits": logits, "parameters": probe.shapes(result), "checkpoint": given}


# ---- the size


@part("count_parameters")
def test_the_published_sizes_come_out(observe, expect):
    shapes = [{}, {"n_layer": 24, "n_head": 16, "n_embd": 1024}, {"n_layer": 48, "n_head": 25, "n_embd": 1600}]
    message = "GPT-2 small has 124,439,808. By how many are you off, and what in the table has that many?"
    expect(observe(parameters_counted, shapes), [124_439_808, 354_823_168, 1_557_611_200], message)


@part("count_parameters")
def test_a_model_may_have_no_bias_at_all(observe, expect, rng):
    block_size, vocab_size, layers, width = (int(n) for n in rng.permutation([70, 301, 5, 48]) + rng.integers(1, 9, 4))
    odd = {"block_size": block_size, "vocab_size": vocab_size, "n_layer": layers, "n_head": 1, "n_embd": width}
    want = [124_337_664]
    for bias in (True, False):
        sizes = (math.prod(s) for s in shapes(odd, bias).values())
        want.append(sum(sizes))
    got = observe(parameters_counted, [{"bias": False}, odd, {**odd, "bias": False}])
    expect(got, want, "Where does a GPT have biases? Six places in each block, and one more.")


# ---- the MLP


@part("mlp")
def test_gelu_is_the_tanh_formula(observe, expect, rng):
    x = torch.from_numpy(np.concatenate((rng.uniform(-4, 4, 40), [-30.0, -2.2, 2.2, 30.0]))).view(4, 11)
    message = "Both GELUs agree in three digits. Which formula is this one, and what does each of its numbers do?"
    expect(observe(bend, x), F.gelu(x, approximate="tanh"), message)


@part("mlp")
def test_the_mlp_widens_bends_and_narrows(observe, expect, rng):
    weights, x = below(weights_of(rng, SMALL), "transformer.h.1.mlp."), draw(rng, (7, 12, 5)).transpose(1, 2)
    message = "Three steps, in the order of the formula: where is the bend, and how wide is what it bends?"
    expect(observe(thoughts, SMALL, weights, x), think(weights, x), message)


@part("mlp")
def test_the_mlp_drops_what_comes_out_in_training_only(observe, expect):
    weights = {"c_fc.weight": torch.zeros(48, 12), "c_fc.bias": torch.full((48,), 32.0)}
    weights |= {"c_proj.weight": torch.eye(12, 48) / 32, "c_proj.bias": torch.full((12,), 0.5)}
    got = observe(what_the_mlp_drops, {**SMALL, "dropout": 0.4}, weights, torch.ones(80, 7, 12))
    message = "Rate 0.4, and a row of 1.5 comes out. Four in ten should be gone in training, none in eval."
    expect(got, [[0.4, 1.5 / 0.6], [0.0, 1.5]], message, atol=0.05)


# ---- attention


@part("attention")
@pytest.mark.parametrize("bias", [True, False])
def test_every_position_looks_back(observe, expect, rng, bias):
    config = {**SMALL, "bias": bias}
    weights = below(weights_of(rng, config, bias), "transformer.h.0.attn.")
    for shape in ((2, 7, 12), (5, 11, 12)):
        x = draw(rng, shape)
        message = "Which columns of the fused projection are queries, keys and values, and of which head?"
        expect(observe(looks_back, config, weights, x), attend(weights, 3, x), message)


@part("attention")
def test_the_queries_are_those_of_the_last_positions(observe, expect, rng):
    weights = below(weights_of(rng, SMALL), "transformer.h.1.attn.")
    for T, before in ((3, 5), (1, 6), (4, 2)):
        x, past = draw(rng, (2, T, 12)), (draw(rng, (2, 3, before, 4)), draw(rng, (2, 3, before, 4)))
        message = (
            f"{before} positions came before, {T} are new. Where does the first new one stand, and what may it see?"
        )
        expect(observe(looks_back, SMALL, weights, x, past), attend(weights, 3, x, past), message)


@part("attention")
def test_weights_and_result_are_dropped_in_training_only(observe, expect):
    weights = {"c_attn.weight": torch.zeros(36, 12), "c_attn.bias": torch.ones(36)}
    weights |= {"c_proj.weight": torch.eye(12), "c_proj.bias": torch.full((12,), 0.5)}
    got = observe(what_attention_drops, {**SMALL, "dropout": 0.3}, weights, torch.ones(900, 1, 12))
    message = (
        "One position that looks at itself alone, and c_proj adds a half. The weight is dropped at 0.3, what comes out of "
        "c_proj again: how often is that 0, how often the largest, and how large?"
    )
    expect(got, [[0.3, 0.7**2, (1 / 0.7 + 0.5) / 0.7], [0.0, 1.0, 1.5]], message, atol=0.05)


# ---- the block


@part("block")
def test_two_branches_add_to_the_stream(observe, expect, rng):
    weights, x = below(weights_of(rng, SMALL), "transformer.h.0."), draw(rng, (4, 7, 12), 2.0)
    message = "Follow the road from x to the result. What stands on it, and what beside it? What does each branch read?"
    given = x.clone().requires_grad_()
    out = block(weights, 3, given)
    expect(observe(one_block, SMALL, weights, x), {"out": out.detach(), "x afterwards": x}, message)
    slopes = torch.autograd.grad((out**2).sum(), [given])
    message = "The same the other way: by which roads does a slope of the result come back to x?"
    expect(observe(slopes_through_a_block, SMALL, weights, x), list(slopes), message)


@part("block")
def test_branches_that_write_nothing_leave_the_stream_alone(observe, expect, rng):
    weights, x = below(weights_of(rng, SMALL), "transformer.h.0."), draw(rng, (2, 5, 12), 3.0)
    silent = {name: torch.zeros_like(w) if "c_proj" in name else w for name, w in weights.items()}
    message = "Both branches put out zeros here. Whatever else happened to x happened on the road."
    expect(observe(one_block, SMALL, silent, x), {"out": x, "x afterwards": x}, message)


@part("block")
def test_the_cache_reaches_the_attention(observe, expect, rng):
    weights, x = below(weights_of(rng, SMALL), "transformer.h.0."), draw(rng, (2, 2, 12))
    past = draw(rng, (2, 3, 5, 4)), draw(rng, (2, 3, 5, 4))
    message = "Without the cache the new positions cannot see the earlier ones. Who hands it on?"
    want = {"out": block(weights, 3, x, past), "x afterwards": x}
    expect(observe(one_block, SMALL, weights, x, past), want, message)


# ---- the start


@part("init")
def test_the_head_is_the_token_table(observe, expect, rng):
    weights, idx, targets = weights_of(rng, SMALL), tokens(rng, 3, 5), tokens(rng, 3, 5)
    table = weights["transformer.wte.weight"].clone().requires_grad_()
    F.cross_entropy((table[idx] @ table.T).flatten(0, 1), targets.flatten()).backward()
    got = observe(both_ends, SMALL, weights, idx, targets)
    message = "Move the table by 1, and the head moves along; a gradient arrives from both ends. Is that one parameter?"
    expect(got, {"gradient": table.grad, "head": table.detach() + 1.0}, message)


@part("init")
def test_weights_start_small_and_branches_start_smaller(observe, expect):
    configs = [{**SMALL, "n_layer": L, "n_embd": 48, "vocab_size": 97, "block_size": 83} for L in (3, 8)]
    for config, got in zip(configs, observe(beginnings, configs), strict=True):
        want = {name: list(shape) for name, shape in shapes(config).items()}
        message = "One parameter for the table and the head, and all the others as they were. What is there twice?"
        expect(sorted(got["shapes"].items()), sorted(want.items()), message)
        message = "Mean and standard deviation of {}, {} blocks. How many branches add to the stream?"
        every = got["spread"]
        for kind, deviation in (
            ("wte.weight", 0.02),
            ("wpe.weight", 0.02),
            ("c_attn.weight", 0.02),
            ("c_fc.weight", 0.02),
            ("attn.c_proj.weight", 0.02 / math.sqrt(2 * config["n_layer"])),
            ("mlp.c_proj.weight", 0.02 / math.sqrt(2 * config["n_layer"])),
        ):
            spreads = np.array([spread for name, spread in every.items() if name.endswith(kind)])
            said = message.format(kind, config["n_layer"])
            expect(np.sqrt((spreads**2).mean(0))[1], deviation, said, rtol=0.07)
            expect(spreads.mean(0)[0], 0.0, said, atol=0.0016)
        flat = {name: spread for name, spread in every.items() if name.endswith("bias") or ".ln_" in name}
        ones = {name: [0.0 if name.endswith("bias") else 1.0, 0.0] for name in flat}
        expect(flat, ones, "Biases start at 0 and the weights of norms at 1, whatever they held before.")


# ---- forward


@part("forward")
def test_token_and_position_enter_together(observe, expect, rng):
    weights, idx = weights_of(rng, SMALL), tokens(rng, 2, 4)
    token, place = weights["transformer.wte.weight"][idx], weights["transformer.wpe.weight"]
    want = [token + place[start : start + 4] for start in (0, 3, 7)]
    message = "Which rows of the position table belong to four tokens that start at 0, at 3 and at 7?"
    expect(observe(entrances, SMALL, weights, idx, [None, 3, 7]), want, message)


@part("forward")
def test_what_enters_is_dropped_in_training_only(observe, expect, rng):
    weights = {name: torch.ones_like(w) for name, w in weights_of(rng, SMALL).items()}
    got = observe(what_the_entrance_drops, {**SMALL, "dropout": 0.25}, weights, tokens(rng, 70, 9))
    message = "Every number that enters is 2 here, and the rate 0.25: one in four is gone in training, none in eval."
    expect(got, [[0.25, 2 / 0.75], [0.0, 2.0]], message, atol=0.05)
    got = observe(nothing_enters, SMALL, weights_of(rng, SMALL), tokens(rng, 3, 7))
    expect(got, 0.0, "Now all that enters is dropped in training. How do the tokens still reach the blocks?", atol=1e-4)


@part("forward")
@pytest.mark.parametrize("bias", [True, False])
def test_the_logits_are_those_of_gpt_2(observe, expect, rng, bias):
    config = {**SMALL, "bias": bias}
    weights = weights_of(rng, config, bias)
    for shape in ((4, 7), (2, 11), (1, 1)):
        idx = tokens(rng, *shape)
        message = "Tables, every block, the last norm, the head. Which of them is missing or out of its turn?"
        expect(observe(logits_and_loss, config, weights, idx), (gpt2(weights, config, idx), None), message)


@part("forward")
def test_the_loss_is_the_mean_over_positions_with_a_target(observe, expect, rng):
    weights, idx, targets = weights_of(rng, SMALL), tokens(rng, 3, 7), tokens(rng, 3, 7)
    logits = gpt2(weights, SMALL, idx)
    surprise = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    got = observe(logits_and_loss, SMALL, weights, idx, targets)
    expect(got, (logits, surprise.mean()), "targets[b, t] is what comes after idx[b, t]. Who has shifted it already?")
    has = torch.from_numpy(rng.permutation(21).reshape(3, 7) < 12)
    got = observe(logits_and_loss, SMALL, weights, idx, torch.where(has, targets, -1))
    expect(got, (logits, surprise[has].mean()), "Nine of the 21 targets are -1: no target. Over how many is the mean?")


@part("forward")
def test_a_newborn_model_is_as_surprised_as_it_should_be(observe, expect, rng):
    config = {"block_size": 16, "vocab_size": 600, "n_layer": 2, "n_head": 2, "n_embd": 160}
    idx, targets = tokens(rng, 40, 16, below=600), tokens(rng, 40, 16, below=600)
    message = "ln V for knowing nothing, and half of C times 0.02 squared for a little noise. Which of the two is off?"
    want = math.log(600) + 160 * 0.02**2 / 2
    expect(observe(first_losses, config, idx, targets), want, message, rtol=0, atol=0.03)


# ---- choosing a token


def spread_out(rng, rows, count=9):
    """Rows of logits with clear gaps between their sorted entries, in random order."""
    steps = np.sort(rng.uniform(0.25, 0.6, (rows, count)).cumsum(axis=1) - 2.0, axis=1)
    return torch.from_numpy(rng.permuted(steps, axis=1)).float()


def probabilities_agree(observe, expect, logits, message, **how):
    """Compare with the slow loop, row by row; the caller's logits stay."""
    want = torch.tensor([filtered(row, **how) for row in logits.tolist()])
    got = observe(chances, logits, **how)
    expect(got, {"probabilities": want, "logits": logits}, message, atol=1e-6)


@part("sampling")
def test_temperature_bends_the_odds(observe, expect, rng):
    logits = spread_out(rng, 3)
    for temperature in (1.0, 0.4, 2.5):
        message = f"Temperature {temperature}: twice the logits should be as good as half the temperature."
        probabilities_agree(observe, expect, logits, message, temperature=temperature)


@part("sampling")
def test_top_k_keeps_k(observe, expect, rng):
    logits = spread_out(rng, 4)
    for k in (1, 3, 8, 9, 50):
        message = f"k = {k} of 9 tokens. How many have a chance, and do the chances add up to 1?"
        probabilities_agree(observe, expect, logits, message, top_k=k)


@part("sampling")
def test_top_p_keeps_the_token_that_reaches_p(observe, expect, rng):
    logits = spread_out(rng, 5)
    sums = logits.softmax(-1).sort(descending=True).values.cumsum(-1)[0].tolist()
    for p in (0.02, (sums[0] + sums[1]) / 2, (sums[2] + sums[3]) / 2, (sums[4] + sums[5]) / 2, 1.0):
        message = f"p = {p:.3f}: count from the most probable token until the sum is there. Is the last one counted in?"
        probabilities_agree(observe, expect, logits, message, top_p=p)


@part("sampling")
def test_each_step_sees_what_the_one_before_has_left(observe, expect, rng):
    logits = spread_out(rng, 6)
    for temperature, k, p in ((0.6, 4, 0.9), (2.0, 3, 0.62), (2.5, 6, 0.8), (1.0, 5, 0.7)):
        message = "After temperature and top-k the chances add up to 1 again; of that 1, top-p keeps its share."
        probabilities_agree(observe, expect, logits, message, temperature=temperature, top_k=k, top_p=p)


# ---- writing


@part("generate")
def test_the_window_is_the_end_of_the_text(observe, expect, rng):
    weights, texts = weights_of(rng, SMALL), [tokens(rng, 2, n) for n in (1, 6, 11, 12, 19)]
    want = [gpt2(weights, SMALL, idx[:, -11:])[:, -1] for idx in texts]
    got = observe(after_the_text, SMALL, weights, texts)
    expect(got, want, "Texts of 1 to 19 tokens, a window of 11. Which tokens are seen, which logits asked for?")


@part("generate")
def test_each_token_is_drawn_from_all_before_it(observe, expect, rng):
    weights, idx = weights_of(rng, SMALL), tokens(rng, 4, 3)
    got = observe(written, SMALL, weights, idx, 13, top_k=1, use_cache=False)
    message = (
        "With k = 1 there is no luck. The prompt comes first, and each new token is read before the next is drawn."
    )
    expect(got, greedy(weights, SMALL, idx, 13), message)


@part("generate")
def test_tokens_come_as_often_as_they_should(observe, expect, rng):
    config = {"block_size": 4, "vocab_size": 7, "n_layer": 1, "n_head": 1, "n_embd": 8}
    weights, idx = weights_of(rng, config), tokens(rng, 1, 3, below=7).expand(4000, 3)
    logits = gpt2(weights, config, idx[:1])[0, -1].tolist()
    for how in ({"temperature": 1.7}, {"temperature": 0.6, "top_p": 0.9}, {"top_k": 4}):
        got = observe(frequencies, config, weights, idx, 1, use_cache=False, **how)
        message = f"4,000 draws after one text, {how}. Does each token come as often as its probability says?"
        expect(got, [torch.tensor(filtered(logits, **how))], message, atol=0.045)


# ---- the cache


@part("cache")
def test_a_cache_keeps_all_in_order(observe, expect, rng):
    pieces = [(draw(rng, (2, 3, T, 4)), draw(rng, (2, 3, T, 4))) for T in (3, 1, 2)]
    want, keys, values = [], torch.empty(2, 3, 0, 4), torch.empty(2, 3, 0, 4)
    for k, v in pieces:
        keys, values = torch.cat((keys, k), 2), torch.cat((values, v), 2)
        want.append([keys, values, keys.shape[2]])
    message = "Pieces of 3, 1 and 2 positions. What comes back each time, and what is still there the next time?"
    expect(observe(kept_in_a_cache, pieces), [*want, [0, *pieces[0]]], message)


@part("cache")
def test_cached_equals_uncached(observe, expect, rng):
    weights, idx = weights_of(rng, SMALL), tokens(rng, 2, 11)
    want = {"logits": gpt2(weights, SMALL, idx), "kept": [11, 11]}
    for sizes in ([11], [1] * 11, [4, 1, 3, 1, 2]):
        message = f"Put through in pieces of {sizes}. At which position do the logits begin to differ from one pass?"
        expect(observe(put_through_in_pieces, SMALL, weights, idx, sizes), want, message)


@part("cache")
def test_only_new_tokens_go_through(observe, expect, rng):
    weights, idx = weights_of(rng, SMALL), tokens(rng, 3, 11)
    lengths = [4, 5, 6, 9, 10, 11]
    want = {"logits": [gpt2(weights, SMALL, idx[:, :n])[:, -1] for n in lengths], "tokens": 11}
    message = "The text grows from 4 tokens to 11. Eleven tokens, each put through once: more or fewer went?"
    expect(observe(the_fast_way, SMALL, weights, idx, lengths), want, message)


@part("cache")
def test_past_the_window_nothing_kept_is_worth_anything(observe, expect, rng):
    weights, idx = weights_of(rng, SMALL), tokens(rng, 2, 16)
    lengths = [10, 11, 12, 13, 16]
    want = {"logits": [gpt2(weights, SMALL, idx[:, :n][:, -11:])[:, -1] for n in lengths], "tokens": 11 + 3 * 11}
    message = "A window of 11, a text of 12. The second token now stands first; which position is in its cached key?"
    expect(observe(the_fast_way, SMALL, weights, idx, lengths), want, message)


@part("cache")
def test_the_same_text_comes_out_faster(observe, expect, rng):
    weights, idx = weights_of(rng, SMALL), tokens(rng, 3, 4)
    got = observe(written, SMALL, weights, idx, 12, top_k=1)
    expect(got, greedy(weights, SMALL, idx, 12), "With k = 1, the cache must not change a single token, early or late.")


# ---- somebody else's weights

TURNED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def published(weights, prefix="transformer.", masks=False):
    """The same weights as Hugging Face publishes them: Conv1D's matrices lie the other way round."""
    found = {name: w.T.contiguous() if name.endswith(TURNED) else w for name, w in weights.items()}
    if masks:
        found |= {f"transformer.h.{layer}.attn.bias": torch.ones(1, 1, 11, 11).tril() for layer in range(2)}
        found |= {f"transformer.h.{layer}.attn.masked_bias": torch.tensor(-1e4) for layer in range(2)}
    return {name.replace("transformer.", prefix): w for name, w in found.items()}


@part("load")
def test_a_published_checkpoint_gives_the_same_logits(observe, expect, rng):
    weights, idx = weights_of(rng, SMALL), tokens(rng, 3, 7)
    names = {f"transformer.{name}": list(shape) for name, shape in below(shapes(SMALL), "transformer.").items()}
    for prefix, masks, head in (("transformer.", False, True), ("", True, False), ("transformer.", True, False)):
        checkpoint = published(weights, prefix, masks)
        if not head:
            del checkpoint["lm_head.weight"]
        got = observe(loaded, SMALL, checkpoint, idx)
        message = "Every shape fits, and still a matrix may lie on its side. Which of them would not show it?"
        expect(got["logits"], gpt2(weights, SMALL, idx), message)
        expect(sorted(got["parameters"].items()), sorted(names.items()), "Is the head still the token table?")
        expect(got["checkpoint"], checkpoint, "The checkpoint is the caller's. What changed it?")


@part("load")
def test_a_missing_weight_is_said(observe, expect, rng):
    checkpoint = published(weights_of(rng, SMALL))
    for name in ("transformer.h.1.mlp.c_fc.bias", "transformer.wpe.weight", "transformer.h.0.attn.c_proj.weight"):
        partly = {other: w for other, w in checkpoint.items() if other != name}
        got = observe(loaded, SMALL, partly, tokens(rng, 1, 2), may_raise=True)
        expect(got, raises("KeyError"), f"{name} is not in this checkpoint. What would the model hold in its place?")
