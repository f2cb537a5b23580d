"""The fine-tuning data's reference against transformers: chat templates, its packing collator, and its models' loss."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from autograder.curriculum import load  # noqa: E402
from autograder.judge.submission import reference  # noqa: E402
from autograder.kernel.carrying import made  # noqa: E402

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}"
)
TALKS = [
    [("system", "Name the root cause."), ("user", "It is slow.\nVery."), ("assistant", "The disk is full.")],
    [("user", "Why?"), ("assistant", "A lock."), ("user", "And now?"), ("assistant", "End the session: 12 §")],
    [("user", "Well"), ("assistant", "")],
]


@pytest.fixture(scope="module")
def lesson() -> ModuleType:
    course = load(Path(__file__).parents[2])
    with patch("autograder.carry", lambda name: ModuleType(name)):
        return made("finetune_data", reference(course.exercise("finetune_data")))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """A tokenizer of theirs whose tokens are bytes, with the two marks of ChatML."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    model = tokenizers.models.BPE({letter: i for i, letter in enumerate(letters)}, [])
    bare = tokenizers.Tokenizer(model)
    bare.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bare.decoder = tokenizers.decoders.ByteLevel()
    found = transformers.PreTrainedTokenizerFast(tokenizer_object=bare)
    found.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    found.chat_template = CHATML
    return found


def conversation(talk: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in talk]


def rendered(lesson: ModuleType, tokenizer: Any, talk: list[tuple[str, str]]) -> Any:
    marks = tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    return lesson.render(conversation(talk), lambda text: tokenizer(text)["input_ids"], *marks)


@pytest.mark.parametrize("talk", TALKS)
def test_chatml_and_its_answer_mask(lesson: ModuleType, tokenizer: Any, talk: list[tuple[str, str]]) -> None:
    theirs = tokenizer.apply_chat_template(conversation(talk), return_dict=True, return_assistant_tokens_mask=True)
    ids, answer = rendered(lesson, tokenizer, talk)
    assert ids == theirs["input_ids"]
    assert [int(flag) for flag in answer] == theirs["assistant_masks"]


@pytest.fixture(scope="module")
def llama() -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.LlamaConfig(vocab_size=300, max_position_embeddings=256, **sizes)
    config._attn_implementation = "sdpa"
    return transformers.LlamaForCausalLM(config).eval().double()


def examples(lesson: ModuleType, tokenizer: Any) -> list[Any]:
    return [lesson.targets(*rendered(lesson, tokenizer, talk)) for talk in TALKS]


@pytest.mark.parametrize("talk", TALKS)
def test_their_loss_on_their_labels_is_ours(
    lesson: ModuleType, tokenizer: Any, llama: Any, talk: list[tuple[str, str]]
) -> None:
    ids, answer = rendered(lesson, tokenizer, talk)
    labels = [token if flag else -100 for token, flag in zip(ids, answer, strict=True)]  # theirs shifts by itself
    with torch.no_grad():
        theirs = llama(torch.tensor([ids]), labels=torch.tensor([labels])).loss
        inputs, targets = lesson.targets(ids, answer)
        ours = lesson.answer_loss(llama(inputs[None]).logits, targets[None])
    torch.testing.assert_close(ours.float(), theirs)  # theirs is computed in float32


def test_their_model_on_our_packed_rows_answers_as_alone(lesson: ModuleType, tokenizer: Any, llama: Any) -> None:
    made_examples = examples(lesson, tokenizer)
    T = sum(len(inputs) for inputs, _ in made_examples) + 5
    ids, targets, segments = lesson.pack(made_examples, T, 0)
    assert len(ids) == 1
    mask = lesson.packed_mask(segments)
    walls = torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, -1e9)  # theirs is added to the scores
    with torch.no_grad():
        packed = llama(ids, attention_mask=walls, position_ids=lesson.positions_of(segments)).logits
        alone = torch.cat([llama(inputs[None]).logits[0] for inputs, _ in made_examples])
    torch.testing.assert_close(packed[0, : len(alone)], alone)
    each = [
        (lesson.answer_loss(alone.split([len(i) for i, _ in made_examples])[n], y), (y != -100).sum())
        for n, (_, y) in enumerate(made_examples)
    ]
    total = sum(loss * count for loss, count in each) / sum(count for _, count in each)
    torch.testing.assert_close(lesson.answer_loss(packed, targets), total)


def test_positions_are_those_of_their_collator(lesson: ModuleType, tokenizer: Any) -> None:
    collate = transformers.DataCollatorWithFlattening(return_position_ids=True)
    talks = [rendered(lesson, tokenizer, talk) for talk in TALKS]
    theirs = collate([{"input_ids": ids, "labels": ids} for ids, _ in talks])
    whole = [(torch.tensor(ids), torch.tensor(ids)) for ids, _ in talks]
    ids, _, segments = lesson.pack(whole, sum(len(ids) for ids, _ in talks), 0)
    assert torch.equal(ids, theirs["input_ids"])
    assert torch.equal(lesson.positions_of(segments), theirs["position_ids"])
    first = [0, *torch.tensor([len(ids) for ids, _ in talks]).cumsum(0).tolist()[:-1]]
    assert theirs["labels"][0, first].tolist() == [-100] * len(talks)  # no conversation foretells the next one's start
