"""The GPT exercise's reference against transformers' GPT-2, offline: random weights, shared through its own checkpoints."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from autograder.curriculum import load  # noqa: E402
from autograder.judge.submission import reference  # noqa: E402
from autograder.kernel.carrying import made  # noqa: E402

SIZE = {"vocab_size": 101, "n_layer": 3, "n_head": 4, "n_embd": 48}


@pytest.fixture(scope="module")
def lesson() -> ModuleType:
    course = load(Path(__file__).parents[2])
    attention = made("attention", reference(course.exercise("attention")))
    with patch("autograder.carry", lambda name: {"attention": attention}[name]):
        return made("gpt", reference(course.exercise("gpt")))


@pytest.fixture(scope="module")
def theirs() -> Any:
    """A GPT-2 of theirs in which every weight is random, norms and biases too."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(n_positions=24, bos_token_id=0, eos_token_id=None, pad_token_id=0, **SIZE)
    model = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(mean=1.0 if ".ln_" in name and name.endswith("weight") else 0.0, std=0.2)
    return model


@pytest.fixture(scope="module")
def ours(lesson: ModuleType, theirs: Any) -> Any:
    return lesson.load_gpt2(lesson.GPT(lesson.GPTConfig(block_size=24, **SIZE)).eval(), theirs.state_dict())


def tokens(*shape: int) -> Any:
    return torch.randint(101, shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_logits_agree(ours: Any, theirs: Any) -> None:
    for shape in ((1, 1), (3, 7), (2, 24)):
        idx = tokens(*shape)
        with torch.no_grad():
            torch.testing.assert_close(ours(idx)[0], theirs(idx).logits, rtol=1e-5, atol=1e-5)


def test_losses_agree_once_the_shift_is_made_for_ours(ours: Any, theirs: Any) -> None:
    idx = tokens(3, 20)
    with torch.no_grad():
        loss = ours(idx[:, :-1], idx[:, 1:])[1]
        torch.testing.assert_close(loss, theirs(idx, labels=idx).loss, rtol=1e-5, atol=1e-5)


def test_a_saved_checkpoint_loads(lesson: ModuleType, ours: Any, theirs: Any, tmp_path: Path) -> None:
    """As on the hub: safetensors, the inner model without a prefix or the whole, with or without the masks of old files."""
    from safetensors.torch import load_file

    theirs.save_pretrained(tmp_path)
    whole = load_file(tmp_path / "model.safetensors")
    inner = {name.removeprefix("transformer."): tensor for name, tensor in whole.items()}
    inner |= {f"h.{layer}.attn.bias": torch.ones(1, 1, 24, 24).tril() for layer in range(3)}
    idx = tokens(2, 9)
    for checkpoint in (whole, inner):
        model = lesson.load_gpt2(lesson.GPT(lesson.GPTConfig(block_size=24, **SIZE)).eval(), checkpoint)
        torch.testing.assert_close(model(idx)[0], ours(idx)[0], rtol=0, atol=0)


def test_caches_agree(lesson: ModuleType, ours: Any, theirs: Any) -> None:
    idx, caches, past = tokens(2, 18), [lesson.KVCache() for _ in range(3)], None
    with torch.no_grad():
        for piece in idx.split([5, 1, 4, 1, 7], dim=1):
            said = theirs(piece, past_key_values=past, use_cache=True)
            past = said.past_key_values
            torch.testing.assert_close(ours.extend(piece, caches), said.logits, rtol=1e-5, atol=1e-5)


def test_greedy_texts_agree(ours: Any, theirs: Any) -> None:
    idx = tokens(3, 6)
    want = theirs.generate(idx, attention_mask=torch.ones_like(idx), max_new_tokens=18, do_sample=False)
    for use_cache in (True, False):
        assert torch.equal(ours.generate(idx, 18, top_k=1, use_cache=use_cache), want)


@pytest.mark.parametrize(("temperature", "k", "p"), [(0.7, 5, 0.9), (2.0, 40, 0.35), (1.0, 1, 0.01), (1.3, 101, 1.0)])
def test_filters_agree(lesson: ModuleType, temperature: float, k: int, p: float) -> None:
    from transformers.generation import logits_process as theirs

    idx, logits = tokens(6, 1), 3 * torch.randn(6, 101, generator=torch.Generator().manual_seed(1))
    want = theirs.TemperatureLogitsWarper(temperature)(idx, logits) if temperature != 1.0 else logits
    want = theirs.TopPLogitsWarper(p)(idx, theirs.TopKLogitsWarper(k)(idx, want)).softmax(-1)
    got = lesson.next_token_probabilities(logits, temperature=temperature, top_k=k, top_p=p)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-7)


def test_parameters_are_as_many(lesson: ModuleType) -> None:
    with torch.device("meta"):
        whole = transformers.GPT2LMHeadModel(transformers.GPT2Config())
        mine = lesson.GPT(lesson.GPTConfig())
        bare = lesson.GPT(lesson.GPTConfig(bias=False))
    names = {name for name, _ in mine.named_parameters()}
    assert names == {name for name, _ in whole.named_parameters()}
    for model, config in ((mine, lesson.GPTConfig()), (bare, lesson.GPTConfig(bias=False))):
        assert sum(p.numel() for p in model.parameters()) == lesson.count_parameters(config)
    assert whole.num_parameters() == lesson.count_parameters(lesson.GPTConfig()) == 124_439_808
    assert lesson.count_parameters(lesson.GPTConfig(bias=False)) == 124_337_664


def test_they_start_alike(lesson: ModuleType) -> None:
    torch.manual_seed(0)
    size = {"vocab_size": 500, "n_layer": 6, "n_head": 4, "n_embd": 96}
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_positions=64, **size))
    ours = lesson.GPT(lesson.GPTConfig(block_size=64, **size))
    for name, parameter in theirs.named_parameters():
        mine = dict(ours.named_parameters())[name]
        assert mine.std().item() == pytest.approx(parameter.std().item(), rel=0.05, abs=1e-8), name
        assert mine.mean().item() == pytest.approx(parameter.mean().item(), abs=2e-3), name


@pytest.mark.slow
def test_the_first_loss_of_gpt_2(lesson: ModuleType) -> None:
    """The 124M model itself: ln V + C 0.02² / 2 = 10.98."""
    torch.manual_seed(0)
    model = lesson.GPT(lesson.GPTConfig())
    idx, targets = torch.randint(50257, (2, 2, 256))
    with torch.no_grad():
        assert model(idx, targets)[1].item() == pytest.approx(math.log(50257) + 768 * 0.02**2 / 2, abs=0.03)
