"""The LoRA exercise's reference against peft on the same modules: counts, outputs, merging and gradients, r ≠ α."""

from __future__ import annotations

import copy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

from autograder.curriculum import load  # noqa: E402
from autograder.judge.submission import reference  # noqa: E402
from autograder.kernel.carrying import made  # noqa: E402

R, ALPHA = 3, 7
TARGETS = ["q_proj", "v_proj", "down_proj"]


@pytest.fixture(scope="module")
def lesson() -> ModuleType:
    return made("lora_finetune", reference(load(Path(__file__).parents[2]).exercise("lora_finetune")))


@pytest.fixture(scope="module")
def llama() -> Any:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=31,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return transformers.LlamaForCausalLM(config).eval()


@pytest.fixture
def both(lesson: ModuleType, llama: Any) -> tuple[Any, dict[str, Any], Any]:
    """Our adapters and peft's in two copies of one model, with the same A and B."""
    ours = copy.deepcopy(llama)
    adapters = lesson.inject(ours, TARGETS, R, ALPHA)
    config = peft.LoraConfig(r=R, lora_alpha=ALPHA, target_modules=TARGETS, lora_dropout=0.0)
    theirs = peft.get_peft_model(copy.deepcopy(llama), config).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for name, adapter in adapters.items():
            layer = theirs.base_model.model.get_submodule(name)
            for mine, other in ((adapter.A, layer.lora_A["default"]), (adapter.B, layer.lora_B["default"])):
                mine.normal_(std=0.3)
                other.weight.copy_(mine)
    return ours, adapters, theirs


def tokens() -> Any:
    return torch.randint(31, (2, 9), generator=torch.Generator().manual_seed(3))


def test_as_many_numbers_learn(lesson: ModuleType, both: tuple[Any, dict[str, Any], Any]) -> None:
    ours, adapters, theirs = both
    mine = sum(p.numel() for p in ours.parameters() if p.requires_grad)
    assert mine == theirs.get_nb_trainable_parameters()[0]
    sides = [(a.base.in_features, a.base.out_features) for a in adapters.values()]
    assert mine == lesson.adapter_size(sides, R)


def test_the_same_linears_are_chosen(lesson: ModuleType, llama: Any) -> None:
    for targets in (["proj"], ["mlp.down_proj", "q_proj"], ["1.self_attn.k_proj"]):
        model = copy.deepcopy(llama)
        config = peft.LoraConfig(r=R, lora_alpha=ALPHA, target_modules=targets)
        if targets == ["proj"]:
            with pytest.raises(ValueError, match="proj"):
                lesson.inject(model, targets, R, ALPHA)
            with pytest.raises(ValueError, match="not found"):
                peft.get_peft_model(copy.deepcopy(llama), config)
            continue
        mine = set(lesson.inject(model, targets, R, ALPHA))
        theirs = peft.get_peft_model(copy.deepcopy(llama), config)
        chosen = {name for name, m in theirs.base_model.model.named_modules() if hasattr(m, "lora_A")}
        assert mine == chosen


def test_outputs_and_gradients_agree(both: tuple[Any, dict[str, Any], Any]) -> None:
    ours, adapters, theirs = both
    idx = tokens()
    mine, other = ours(input_ids=idx).logits, theirs(input_ids=idx).logits
    torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)
    for logits in (mine, other):
        logits.logsumexp(-1).sum().backward()
    for name, adapter in adapters.items():
        layer = theirs.base_model.model.get_submodule(name)
        torch.testing.assert_close(adapter.A.grad, layer.lora_A["default"].weight.grad, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(adapter.B.grad, layer.lora_B["default"].weight.grad, rtol=1e-4, atol=1e-5)


def test_merged_weights_agree_and_come_apart_again(both: tuple[Any, dict[str, Any], Any]) -> None:
    ours, adapters, theirs = both
    before = {name: adapter.base.weight.clone() for name, adapter in adapters.items()}
    with torch.no_grad():
        unmerged = ours(input_ids=tokens()).logits
        for adapter in adapters.values():
            adapter.merge()
            adapter.merge()
        theirs.merge_adapter()
        for name, adapter in adapters.items():
            layer = theirs.base_model.model.get_submodule(name)
            assert (adapter.base.weight - layer.base_layer.weight).abs().max() < 1e-6
        assert (ours(input_ids=tokens()).logits - unmerged).abs().max() < 1e-5
        for adapter in adapters.values():
            adapter.unmerge()
    for name, adapter in adapters.items():
        assert (adapter.base.weight - before[name]).abs().max() < 1e-6


def test_step_0_is_the_base(lesson: ModuleType, llama: Any) -> None:
    model = copy.deepcopy(llama)
    lesson.inject(model, TARGETS, R, ALPHA)
    with torch.no_grad():
        assert torch.equal(model(input_ids=tokens()).logits, llama(input_ids=tokens()).logits)


def test_a_file_of_ours_is_read_by_peft(lesson: ModuleType, llama: Any, both: tuple[Any, dict[str, Any], Any]) -> None:
    _, adapters, _ = both
    state = lesson.pack(adapters)
    config = peft.LoraConfig(r=R, lora_alpha=ALPHA, target_modules=TARGETS)
    fresh = peft.get_peft_model(copy.deepcopy(llama), config).eval()
    names = {"A": "lora_A.weight", "B": "lora_B.weight"}
    renamed = {
        f"base_model.model.{name.rpartition('.')[0]}.{names[name[-1]]}": tensor
        for name, tensor in state.items()
        if not name.endswith(".alpha")
    }
    peft.set_peft_model_state_dict(fresh, renamed)
    with torch.no_grad():
        ours, theirs = both[0](input_ids=tokens()).logits, fresh(input_ids=tokens()).logits
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
