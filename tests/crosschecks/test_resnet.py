"""The resnet exercise's reference against transformers' ResNet on mapped weights, and the recorded degradation replayed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn

from autograder.curriculum import load  # noqa: E402
from autograder.judge.submission import as_data, reference  # noqa: E402
from autograder.kernel.carrying import made  # noqa: E402
from autograder.notebook import blank_of, definitions, read  # noqa: E402

NAMES = (  # theirs, ours; the first that matches
    (r"resnet\.embedder\.embedder\.convolution\.(\w+)", r"conv.\1"),
    (r"resnet\.embedder\.embedder\.normalization\.(\w+)", r"bn.\1"),
    (r"resnet\.encoder\.stages\.(\d+)\.layers\.(\d+)\.shortcut\.convolution\.(\w+)", r"stages.\1.\2.shortcut.conv.\3"),
    (r"resnet\.encoder\.stages\.(\d+)\.layers\.(\d+)\.shortcut\.normalization\.(\w+)", r"stages.\1.\2.shortcut.bn.\3"),
    (r"resnet\.encoder\.stages\.(\d+)\.layers\.(\d+)\.layer\.(\d)\.convolution\.(\w+)", r"stages.\1.\2.conv\3.\4"),
    (r"resnet\.encoder\.stages\.(\d+)\.layers\.(\d+)\.layer\.(\d)\.normalization\.(\w+)", r"stages.\1.\2.bn\3.\4"),
    (r"classifier\.1\.(\w+)", r"fc.\1"),
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small convolutions only get slower with more threads, and the recorded numbers are those of one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def resnet() -> ModuleType:
    return made("resnet", reference(load(Path(__file__).parents[2]).exercise("resnet")))


@pytest.fixture(scope="module")
def lesson() -> ModuleType:
    """All that the lesson defines, its training loop and digits included."""
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    exercise = load(Path(__file__).parents[2]).exercise("resnet")
    return made("resnet", as_data(definitions(read(exercise.source), blank_of(exercise)).statements))


def ours(name: str) -> str:
    """Our name of a tensor of transformers'; convolutions count from 1 here."""
    for theirs, mine in NAMES:
        if re.fullmatch(theirs, name):
            moved = re.sub(theirs, mine, name)
            return re.sub(r"\.(conv|bn)(\d)\.", lambda m: f".{m[1]}{int(m[2]) + 1}.", moved)
    raise AssertionError(f"transformers has a tensor called {name}, and no rule for it")


def theirs(block: str, depths: list[int], sizes: list[int], stem: str, channels: int, classes: int) -> Any:
    """Transformers' ResNet in float64, every weight and running average far from its start."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(
        num_channels=channels,
        embedding_size=sizes[0] if block == "basic" else sizes[0] // 4,
        hidden_sizes=sizes,
        depths=depths,
        layer_type=block,
        num_labels=classes,
        downsample_in_bottleneck=False,
    )
    model = transformers.ResNetForImageClassification(config)
    if stem == "cifar":  # they have the large stem only
        model.resnet.embedder.embedder.convolution = nn.Conv2d(channels, sizes[0], 3, padding=1, bias=False)
        model.resnet.embedder.pooler = nn.Identity()
    torch.manual_seed(len(sizes) + classes)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and "convolution" not in name:
            tensor.uniform_(0.5, 1.5)
    return model.double()


CASES = {
    "CIFAR ResNet-20": ("cifar", 20, "basic", [3, 3, 3], [16, 32, 64], 10),
    "ResNet-18": ("imagenet", 18, "basic", [2, 2, 2, 2], [64, 128, 256, 512], 1000),
    "ResNet-50": ("imagenet", 50, "bottleneck", [3, 4, 6, 3], [256, 512, 1024, 2048], 1000),
}


@pytest.mark.parametrize("case", CASES)
def test_the_family_agrees_with_transformers_on_mapped_weights(resnet: ModuleType, case: str) -> None:
    stem, depth, block, depths, sizes, classes = CASES[case]
    other = theirs(block, depths, sizes, stem, 3, classes)
    build = resnet.resnet_cifar if stem == "cifar" else resnet.resnet_imagenet
    mine = build(depth, kind="B").double()
    mapped = {ours(name): tensor.clone() for name, tensor in other.state_dict().items()}
    assert set(mapped) == set(mine.state_dict())
    mine.load_state_dict(mapped)
    assert sum(p.numel() for p in mine.parameters()) == sum(p.numel() for p in other.parameters())
    torch.manual_seed(0)
    images = torch.randn(2, 3, 33, 40, dtype=torch.float64)
    for training in (False, True):
        torch.testing.assert_close(mine.train(training)(images), other.train(training)(images).logits)
    after = {ours(name): tensor for name, tensor in other.state_dict().items()}
    for name, tensor in mine.state_dict().items():
        torch.testing.assert_close(tensor, after[name], msg=name)  # the running averages moved alike


def test_slopes_agree_with_transformers(resnet: ModuleType) -> None:
    other = theirs("bottleneck", [1, 2], [16, 24], "imagenet", 2, 5)
    mine = resnet.ResNet(
        resnet.Bottleneck, (1, 2), (4, 6), kind="B", stem="imagenet", in_channels=2, classes=5
    ).double()
    mine.load_state_dict({ours(name): tensor for name, tensor in other.state_dict().items()})
    torch.manual_seed(1)
    images, labels = torch.randn(4, 2, 37, 29, dtype=torch.float64), torch.tensor([3, 0, 4, 1])
    F.cross_entropy(mine.train()(images), labels).backward()
    F.cross_entropy(other.train()(images).logits, labels).backward()
    slopes = {ours(name): p.grad for name, p in other.named_parameters()}
    for name, p in mine.named_parameters():
        torch.testing.assert_close(p.grad, slopes[name], msg=name)


@pytest.mark.parametrize(
    ("depth", "kind", "count"),
    [(20, "A", 269_722), (56, "A", 853_018), (20, "B", 272_474), (56, "B", 855_770), (56, "plain", 853_018)],
)
def test_small_networks_have_the_papers_number_of_parameters(
    resnet: ModuleType, depth: int, kind: str, count: int
) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in resnet.resnet_cifar(depth, kind).parameters()) == count


def test_initialise_draws_as_kaiming_normal_does(resnet: ModuleType) -> None:
    torch.manual_seed(0)
    mine, reference_draw = resnet.initialise(resnet.resnet_cifar(20, "B")), resnet.resnet_cifar(20, "B")
    for module in reference_draw.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    for (name, one), two in zip(mine.named_parameters(), reference_draw.parameters(), strict=True):
        if one.dim() == 4:
            torch.testing.assert_close(one.std(), two.std(), rtol=0.15, atol=0.0, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_deep_plain_network_does_not_learn_what_a_resnet_does(lesson: ModuleType, seed: int) -> None:
    images, labels, test_images, test_labels = lesson.digits()
    scores = {}
    for kind in ("plain", "A"):
        model = lesson.fresh(56, kind, seed)
        lesson.descend(model, images, labels, epochs=5, seed=seed)
        scores[kind] = lesson.accuracy(model, test_images, test_labels)
    assert scores["A"] >= 0.85  # 0.90, 0.96 and 0.94 when this was written
    assert scores["plain"] < 0.3  # 0.13, 0.14 and 0.18
