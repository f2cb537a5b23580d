"""Checks of ResNet: against torch's functions on given weights, slow loops, closed forms and known parameter counts."""

import math

import pytest
import torch
import torch.nn.functional as F

from autograder.judge import observation, part, raises

MODES = ("eval", "train")


def normal(rng, *shape):
    """A float32 tensor of standard normal numbers."""
    return torch.from_numpy(rng.standard_normal(shape)).float()


def between(rng, low, high, *shape):
    """A float32 tensor of uniform numbers."""
    return torch.from_numpy(rng.uniform(low, high, shape)).float()


def conv_weight(rng, c_out, c_in, k):
    return normal(rng, c_out, c_in, k, k) * math.sqrt(2 / (c_in * k * k))


def bn_state(rng, name, c):
    """Everything that batch norm knows, nothing of it at its start value."""
    return {
        f"{name}.weight": between(rng, 0.6, 1.4, c),
        f"{name}.bias": 0.4 * normal(rng, c),
        f"{name}.running_mean": 0.3 * normal(rng, c),
        f"{name}.running_var": between(rng, 0.5, 1.8, c),
    }


def projection_state(rng, name, c_in, c_out):
    return {f"{name}conv.weight": conv_weight(rng, c_out, c_in, 1), **bn_state(rng, f"{name}bn", c_out)}


def block_state(rng, c_in, width, stride, kind, expansion=1):
    """Weights of a block with 2 convolutions, or 3 where it expands."""
    c_out = width * expansion
    sizes = [(c_in, width, 3), (width, c_out, 3)]
    if expansion > 1:
        sizes = [(c_in, width, 1), (width, width, 3), (width, c_out, 1)]
    state = {}
    for i, (before, after, k) in enumerate(sizes, 1):
        state |= {f"conv{i}.weight": conv_weight(rng, after, before, k), **bn_state(rng, f"bn{i}", after)}
    if kind == "B" and (stride != 1 or c_in != c_out):
        state |= projection_state(rng, "shortcut.", c_in, c_out)
    return state


def bn(x, state, name, mode):
    """Batch norm by torch's function; in training it moves the running averages in `state`."""
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"], mode == "train")


def padded_by_loop(x, c_out, stride):
    """Option A, one number at a time."""
    rows, columns = range(0, x.shape[2], stride), range(0, x.shape[3], stride)
    out = torch.zeros(x.shape[0], c_out, len(rows), len(columns))
    for b in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i, row in enumerate(rows):
                for j, column in enumerate(columns):
                    out[b, c, i, j] = x[b, c, row, column]
    return out


def around(x, state, stride, kind, c_out, mode, name="shortcut."):
    """What the shortcut makes of x."""
    if kind == "plain":
        return 0.0
    if stride == 1 and x.shape[1] == c_out:
        return x
    if kind == "A":
        return padded_by_loop(x, c_out, stride)
    return bn(F.conv2d(x, state[f"{name}conv.weight"], stride=stride), state, f"{name}bn", mode)


def block_by_hand(x, state, stride, kind, mode, strided="conv1"):
    """A block from its weights, with 2 or 3 convolutions; `strided` is the one that has the stride."""
    last, out = 3 if "conv3.weight" in state else 2, x
    for i in range(1, last + 1):
        w = state[f"conv{i}.weight"]
        out = F.conv2d(out, w, stride=stride if strided == f"conv{i}" else 1, padding=w.shape[-1] // 2)
        out = bn(out, state, f"bn{i}", mode)
        out = F.relu(out) if i < last else out
    return F.relu(out + around(x, state, stride, kind, out.shape[1], mode))


def want_of_block(x, pull, state, stride, kind, strided="conv1"):
    """A block's answers and the slopes of x, evaluated and then in training, in the form of the observations below."""
    state = {name: value.clone() for name, value in state.items()}
    want = {}
    for mode in MODES:
        leaf = x.clone().requires_grad_()
        out = block_by_hand(leaf, state, stride, kind, mode, strided)
        want[mode] = out.detach()
        want[f"slope of x, {mode}"] = torch.autograd.grad((out * pull).sum(), leaf)[0]
    averages = {name: value for name, value in state.items() if "running" in name}
    return {**want, "running averages": averages, "x afterwards": x}


@observation
def zero_padded(learner, c_in, c_out, stride, x):
    given = x.clone().requires_grad_()
    out = learner.ZeroPad(c_in, c_out, stride)(given)
    return {"out": out.detach(), "slope of x": probe.gradients(out.sum(), [given])[0]}


@observation
def shortcut_run(learner, c_in, c_out, stride, kind, weights, x):
    module = learner.shortcut_for(c_in, c_out, stride, kind)
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    probe.load(module, {name: value for name, value in weights.items() if name in own})
    module.eval()
    return {"parameters": probe.shapes(module), "out": module(x).detach()}


@observation
def block_run(learner, basic, c_in, width, stride, kind, weights, x, pull):
    block = (learner.BasicBlock if basic else learner.Bottleneck)(c_in, width, stride, kind)
    given, seen = x.clone(), {}
    for mode in ("eval", "train"):
        leaf = x.clone().requires_grad_()
        probe.load(block, weights).train(mode == "train")
        seen[f"slope of x, {mode}"] = probe.gradients((block(leaf) * pull).sum(), [leaf])[0]
        probe.load(block, weights)
        with torch.no_grad():
            seen[mode] = block(given)
    averages = {name: value for name, value in block.named_buffers() if "running" in name}
    return {**seen, "running averages": averages, "x afterwards": given}


@observation
def three_convolutions(learner, c_in, width, c_out, stride):
    convs = learner.bottleneck_convs(c_in, width, c_out, stride)
    return [[list(c.weight.shape), list(c.stride), list(c.padding), c.bias is None] for c in convs]


@observation
def stage_made(learner, c_in, width, count, stride, kind, expansion):
    class Recorder(nn.Module):
        def __init__(self, c_in, width, stride=1, kind="A"):
            super().__init__()
            self.asked, self.number = [c_in, width, stride, kind], 0

        def forward(self, x):
            return 10 * x + self.number

    Recorder.expansion = expansion
    stage = learner.make_stage(Recorder, c_in, width, count, stride, kind)
    for number, block in enumerate(stage, 1):
        block.number = number
    return {"blocks": [block.asked for block in stage], "order": stage(torch.zeros(1, dtype=torch.float64))}


@observation
def network_run(learner, counts, widths, kind, stem, in_channels, classes, weights, x):
    model = learner.ResNet(
        learner.BasicBlock, counts, widths, kind=kind, stem=stem, in_channels=in_channels, classes=classes
    )
    probe.load(model, weights)
    seen = {"one image alone": model.eval()(x[:1])}
    for mode in ("eval", "train"):
        model.train(mode == "train")
        given = x.clone().requires_grad_(mode == "train")
        seen[mode] = model(given)
    return seen | {"slopes": probe.gradients((seen["train"] ** 2).sum(), [given])}


@observation
def family_member(learner, name, depth, options):
    with torch.device("meta"):
        model = {"cifar": learner.resnet_cifar, "imagenet": learner.resnet_imagenet}[name](depth, **options)
    return {"parameters": probe.parameter_count(model), "blocks per stage": [len(stage) for stage in model.stages]}


@observation
def refused_depth(learner, depth):
    with torch.device("meta"):
        return type(learner.resnet_cifar(depth)).__name__


@observation
def fresh_weights(learner, sizes):
    """Sizes are (c_in, c_out, height, width) of convolutions, at different depths of one model."""
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm2d(4))
    convs, inner = [], model
    for c_in, c_out, h, w in sizes:
        convs.append(nn.Conv2d(c_in, c_out, (h, w), bias=False))
        inner.append(nn.Sequential(convs[-1], nn.BatchNorm2d(5)))
        inner = inner[-1]
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(7.0)
    same = learner.initialise(model) is model
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    weights = [c.weight.detach() for c in convs]
    return {
        "spread": [w.std().item() for w in weights],
        "means, in spreads": [(w.mean() / w.std()).item() for w in weights],
        "share within one spread": sum(((w / w.std()).abs() < 1).float().mean().item() for w in weights) / len(weights),
        "batch norms": [[m.weight.detach(), m.bias.detach()] for m in norms],
        "linear": [p.detach() for p in model[0].parameters()],
        "same model": same,
    }


@observation
def marked(learner, weights, images, labels, batch_size, training):
    log = []

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.bn = nn.BatchNorm2d(weights["bn.weight"].shape[0])
            self.fc = nn.Linear(weights["fc.weight"].shape[1], weights["fc.weight"].shape[0])

        def forward(self, x):
            log.append((len(x), (self.training or self.bn.training, torch.is_grad_enabled())))
            return self.fc(F.relu(self.bn(x)).mean((2, 3)))

    model = probe.load(Small(), weights).train(training)
    first = learner.accuracy(model, images, labels, batch_size)
    modes = [model.training, model.bn.training, torch.is_grad_enabled()]
    return {
        "accuracy": float(first),
        "once more": float(learner.accuracy(model, images, labels, batch_size)),
        "images seen": sum(n for n, _ in log),
        "batches that are too large": [n for n, _ in log if n > batch_size],
        "training mode, gradients": sorted({how for _, how in log}),
        "training, and gradients, afterwards": modes,
        "running mean": model.bn.running_mean,
    }


@part("shortcut")
@pytest.mark.parametrize(("c_in", "c_out", "stride"), [(3, 7, 2), (4, 4, 2), (2, 5, 1), (2, 3, 3)])
def test_option_a_keeps_every_few_pixels_and_appends_zeros(observe, expect, rng, c_in, c_out, stride):
    x = normal(rng, 2, c_in, 7, 8)
    hit = torch.zeros_like(x)
    hit[:, :, ::stride, ::stride] = 1
    message = f"From {c_in} channels to {c_out}, stride {stride}: which pixels are kept, and where do the zeros stand?"
    want = {"out": padded_by_loop(x, c_out, stride), "slope of x": hit}
    expect(observe(zero_padded, c_in, c_out, stride, x), want, message)


CASES = [(4, 4, 1), (4, 6, 1), (4, 4, 2), (4, 6, 2)]


@part("shortcut")
@pytest.mark.parametrize("kind", ["A", "B", "plain"])
def test_the_shortcut_does_what_the_shape_asks_for(observe, expect, rng, kind):
    for c_in, c_out, stride in CASES:
        x, weights = normal(rng, 3, c_in, 5, 7), projection_state(rng, "", c_in, c_out)
        out = around(x, weights, stride, kind, c_out, "eval", name="")
        projects = kind == "B" and (c_in, stride) != (c_out, 1)
        shapes = {name: list(weights[name].shape) for name in ("conv.weight", "bn.weight", "bn.bias") if projects}
        message = f"Kind {kind}, from {c_in} channels to {c_out}, stride {stride}: does the shape of x change?"
        want = {"parameters": shapes, "out": torch.as_tensor(out)}
        expect(observe(shortcut_run, c_in, c_out, stride, kind, weights, x), want, message)


@part("basic_block")
@pytest.mark.parametrize("kind", ["A", "B", "plain"])
@pytest.mark.parametrize(("c_in", "width", "stride"), [(5, 5, 1), (3, 4, 2)])
def test_a_basic_block_agrees_with_its_formula(observe, expect, rng, c_in, width, stride, kind):
    x, weights = normal(rng, 3, c_in, 6, 7), block_state(rng, c_in, width, stride, kind)
    want = want_of_block(
        x, pull := normal(rng, 3, width, math.ceil(6 / stride), math.ceil(7 / stride)), weights, stride, kind
    )
    got = observe(block_run, True, c_in, width, stride, kind, weights, x, pull)
    message = (
        f"Follow the formula from x: what was added to what, and which relu came when? (Kind {kind}, stride {stride})"
    )
    expect(got, want, message)


@part("basic_block")
def test_a_block_that_has_learnt_nothing_passes_its_input_on(observe, expect, rng):
    x, weights = between(rng, 0.1, 2.0, 2, 3, 5, 4), block_state(rng, 3, 3, 1, "A")
    weights |= {"bn2.weight": torch.zeros(3), "bn2.bias": torch.zeros(3)}
    got = observe(block_run, True, 3, 3, 1, "A", weights, x, x)
    message = "Here the convolutions contribute 0 and no number in x is negative. What should come out?"
    expect({mode: got[mode] for mode in MODES}, dict.fromkeys(MODES, x), message)


@part("bottleneck")
@pytest.mark.parametrize(("c_in", "width", "stride"), [(12, 3, 1), (5, 2, 2), (8, 2, 2)])
def test_a_bottleneck_agrees_with_its_formula(observe, expect, rng, c_in, width, stride):
    x, weights = normal(rng, 3, c_in, 5, 8), block_state(rng, c_in, width, stride, "B", expansion=4)
    pull = normal(rng, 3, 4 * width, math.ceil(5 / stride), math.ceil(8 / stride))
    want = want_of_block(x, pull, weights, stride, "B", strided="conv2")
    message = f"Stride {stride}. Which convolution may skip pixels, and where do the three relus stand?"
    expect(observe(block_run, False, c_in, width, stride, "B", weights, x, pull), want, message)


@part("bottleneck")
def test_the_three_convolutions_have_their_sizes(observe, expect):
    for c_in, width, c_out, stride in ((7, 3, 11, 2), (6, 2, 8, 1)):
        want = [
            [[width, c_in, 1, 1], [1, 1], [0, 0], True],
            [[width, width, 3, 3], [stride, stride], [1, 1], True],
            [[c_out, width, 1, 1], [1, 1], [0, 0], True],
        ]
        message = (
            "Of each convolution: the shape of its weight, stride, padding, no bias. Which of the three is another one?"
        )
        expect(observe(three_convolutions, c_in, width, c_out, stride), want, message)


@part("stage")
@pytest.mark.parametrize("expansion", [1, 3])
def test_every_block_gets_what_the_one_before_gives(observe, expect, expansion):
    for c_in, width, count, stride, kind in ((5, 7, 4, 2, "A"), (6, 2, 3, 1, "plain")):
        c = width * expansion
        blocks = [[c_in, width, stride, kind], *([[c, width, 1, kind]] * (count - 1))]
        order = float("".join(str(i) for i in range(1, count + 1)))
        got = observe(stage_made, c_in, width, count, stride, kind, expansion)
        message = f"{count} blocks (c_in, width, stride, kind) that give out {expansion}·width channels. Whose input is whose output?"
        expect(got, {"blocks": blocks, "order": torch.tensor([order])}, message)


@part("stage")
def test_a_stage_may_be_one_block(observe, expect):
    got = observe(stage_made, 4, 9, 1, 2, "B", 2)
    message = "One block: it is the first, and nothing comes after it."
    expect(got, {"blocks": [[4, 9, 2, "B"]], "order": torch.tensor([1.0])}, message)


def network_state(rng, counts, widths, kind, stem, in_channels, classes):
    """Weights of a network of basic blocks."""
    c, state = widths[0], {"conv.weight": conv_weight(rng, widths[0], in_channels, 3 if stem == "cifar" else 7)}
    state |= bn_state(rng, "bn", c)
    for s, (count, width) in enumerate(zip(counts, widths)):
        for i in range(count):
            inside = block_state(rng, c, width, 2 if s and not i else 1, kind)
            state |= {f"stages.{s}.{i}.{name}": value for name, value in inside.items()}
            c = width
    return {**state, "fc.weight": normal(rng, classes, c), "fc.bias": normal(rng, classes)}


def network_by_hand(x, state, counts, kind, stem, mode):
    """Logits of a network of basic blocks, from its weights."""
    w = state["conv.weight"]
    x = F.conv2d(x, w, stride=1 if stem == "cifar" else 2, padding=w.shape[-1] // 2)
    x = F.relu(bn(x, state, "bn", mode))
    x = x if stem == "cifar" else F.max_pool2d(x, 3, 2, 1)
    for s, count in enumerate(counts):
        for i in range(count):
            start = f"stages.{s}.{i}."
            inside = {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
            x = block_by_hand(x, inside, 2 if s and not i else 1, kind, mode)
    return F.linear(x.flatten(2).mean(2), state["fc.weight"], state["fc.bias"])


@part("network")
@pytest.mark.parametrize(("kind", "stem"), [("A", "cifar"), ("B", "cifar"), ("B", "imagenet"), ("plain", "imagenet")])
def test_the_network_agrees_with_its_formula(observe, expect, rng, kind, stem):
    counts, widths, in_channels, classes = (1, 2), (4, 6), 2, 5
    state = network_state(rng, counts, widths, kind, stem, in_channels, classes)
    x = normal(rng, 3, in_channels, 11, 15)
    got = observe(network_run, counts, widths, kind, stem, in_channels, classes, state, x)
    want = {"one image alone": network_by_hand(x[:1], state, counts, kind, stem, "eval")}
    given = x.clone().requires_grad_()
    for mode, image in zip(MODES, (x, given)):
        want[mode] = network_by_hand(image, state, counts, kind, stem, mode)
    want |= {"train": want["train"].detach(), "slopes": list(torch.autograd.grad((want["train"] ** 2).sum(), [given]))}
    message = f"Stem {stem}, kind {kind}: which step of the docstring's list is missing, or is another one?"
    expect(got, want, message)


COUNTS = {20: 269_722, 56: 853_018}
COUNTS_B = {20: 272_474, 56: 855_770}
LARGE = {
    18: (11_689_512, [2, 2, 2, 2]),
    34: (21_797_672, [3, 4, 6, 3]),
    50: (25_557_032, [3, 4, 6, 3]),
    101: (44_549_160, [3, 4, 23, 3]),
    152: (60_192_808, [3, 8, 36, 3]),
}


@part("family")
def test_small_networks_have_the_known_number_of_parameters(observe, expect):
    message = "ResNet-{}: the stem, two layers a block, three stages, and one linear layer. How many blocks is that?"
    for depth, count in COUNTS.items():
        want = {"parameters": count, "blocks per stage": [(depth - 2) // 6] * 3}
        expect(observe(family_member, "cifar", depth, {}), want, message.format(depth))
    for depth, count in COUNTS_B.items():
        want = {"parameters": count, "blocks per stage": [(depth - 2) // 6] * 3}
        expect(observe(family_member, "cifar", depth, {"kind": "B"}), want, message.format(depth) + " (option B)")


@part("family")
def test_small_networks_take_other_channels_classes_and_kinds(observe, expect):
    options = {"kind": "plain", "in_channels": 1, "classes": 7}
    want = {"parameters": 75_290 - 2 * 9 * 16 - 3 * 65, "blocks per stage": [1, 1, 1]}
    message = "A plain ResNet-8 for one channel and seven classes. Where did an argument get lost?"
    expect(observe(family_member, "cifar", 8, options), want, message)


@part("family")
def test_a_depth_that_is_not_6n_plus_2_is_refused(observe, expect):
    for depth in (2, 18, 21, 57, -4):
        got = observe(refused_depth, depth, may_raise=True)
        expect(got, raises("ValueError"), f"How many whole blocks per stage does depth {depth} make?")


@part("family")
@pytest.mark.parametrize("depth", sorted(LARGE))
def test_large_networks_have_the_known_number_of_parameters(observe, expect, depth):
    count, blocks = LARGE[depth]
    want = {"parameters": count, "blocks per stage": blocks}
    message = f"ResNet-{depth}: read its row of the table again. Which block, how often, and how wide?"
    expect(observe(family_member, "imagenet", depth, {}), want, message)


@part("family")
def test_large_networks_take_other_channels_classes_and_kinds(observe, expect):
    options = {"kind": "A", "in_channels": 2, "classes": 11}
    projections = sum(before * after + 2 * after for before, after in ((64, 128), (128, 256), (256, 512)))
    count = 11_689_512 - 64 * 49 - (1000 - 11) * 513 - projections
    want = {"parameters": count, "blocks per stage": [2, 2, 2, 2]}
    message = "ResNet-18 with option A, for two channels and eleven classes. Where did an argument get lost?"
    expect(observe(family_member, "imagenet", 18, options), want, message)


SIZES = [(16, 72, 3, 3), (72, 24, 1, 1), (24, 40, 3, 5)]


@part("initialise")
def test_weights_are_normal_with_the_variance_of_the_fan_out(observe, expect):
    got = observe(fresh_weights, SIZES)
    spread = [math.sqrt(2 / (c_out * h * w)) for _, c_out, h, w in SIZES]
    message = "Convolutions (c_in, c_out, height, width) {}. To how many places does one weight send its slope?"
    expect(got["spread"], spread, message.format(SIZES), rtol=0.1)
    expect(got["means, in spreads"], [0.0, 0.0, 0.0], "Weights of both signs, equally often.", atol=0.1)
    expect(
        got["share within one spread"], 0.683, "Two thirds of a normal distribution lie within one spread.", atol=0.03
    )


@part("initialise")
def test_batch_norms_start_neutral_and_linear_layers_stay(observe, expect):
    got = observe(fresh_weights, SIZES)
    norms = [[torch.ones(4), torch.zeros(4)], *([[torch.ones(5), torch.zeros(5)]] * 3)]
    expect(
        got["batch norms"],
        norms,
        "Everything was 7 before. Which value changes nothing when multiplied, which when added?",
    )
    expect(got["linear"], [torch.full((2, 3), 7.0), torch.full((2,), 7.0)], "Linear layers are not yours to draw here.")
    expect(got["same model"], True, "What should come back, so that a fresh network can be made in one line?")


def exam(rng, count):
    """A small network that depends on its running averages, images, and labels of which it gets about two thirds right."""
    state = {**bn_state(rng, "bn", 3), "fc.weight": 3 * normal(rng, 4, 3), "fc.bias": normal(rng, 4)}
    images = 2 * normal(rng, count, 3, 2, 2) + 1 + between(rng, -2, 2, count, 1, 1, 1)
    logits = F.linear(F.relu(bn(images, state, "bn", "eval")).mean((2, 3)), state["fc.weight"], state["fc.bias"])
    best = logits.argmax(1)
    labels = torch.where(torch.from_numpy(rng.random(count)) < 0.3, (best + 1) % 4, best)
    labels[-3:] = (best[-3:] + 1) % 4
    return state, images, labels, (best == labels).double().mean().item()


@part("accuracy")
@pytest.mark.parametrize("training", [True, False])
def test_accuracy_is_asked_in_evaluation_mode_and_leaves_no_trace(observe, expect, rng, training):
    state, images, labels, share = exam(rng, 23)
    got = observe(marked, state, images, labels, 10, training)
    want = {
        "accuracy": share,
        "once more": share,
        "images seen": 2 * 23,
        "batches that are too large": [],
        "training mode, gradients": [[False, False]],
        "training, and gradients, afterwards": [training, training, True],
        "running mean": state["bn.running_mean"],
    }
    expect(
        got, want, "In which mode was the model asked, in which did it come back, and does every image count the same?"
    )


@part("accuracy")
@pytest.mark.parametrize("batch_size", [1, 8, 17, 100])
def test_the_size_of_the_batches_does_not_matter(observe, expect, rng, batch_size):
    state, images, labels, share = exam(rng, 17)
    got = observe(marked, state, images, labels, batch_size, True)
    message = f"17 images, at most {batch_size} at a time. Why should the answer depend on how they were grouped?"
    expect([got["accuracy"], got["once more"]], [share, share], message)
