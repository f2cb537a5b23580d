"""The Transformer exercise's reference against nn.Transformer and its layers, weights shared, and PyTorch's own loss."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn

from autograder.curriculum import load  # noqa: E402
from autograder.judge.submission import reference  # noqa: E402
from autograder.kernel.carrying import made  # noqa: E402

SIZES = [  # V, C, H, W, encoders, decoders
    (23, 24, 4, 40, 2, 3),
    (11, 12, 2, 10, 1, 1),
    (50, 64, 8, 128, 3, 2),
]


@pytest.fixture(scope="module")
def lesson() -> ModuleType:
    course = load(Path(__file__).parents[2])
    attention = made("attention", reference(course.exercise("attention")))
    with patch("autograder.carry", lambda name: {"attention": attention}[name]):
        return made("transformer", reference(course.exercise("transformer")))


def translated(name: str) -> tuple[str, int | None]:
    """Where torch keeps one of our weights: its name there, and which third of a fused projection."""
    name = name.replace("encoder.", "encoder.layers.", 1) if name.startswith("encoder.") else name
    name = name.replace("decoder.", "decoder.layers.", 1) if name.startswith("decoder.") else name
    name = name.replace("coder_norm.", "coder.norm.").replace("feed_forward.", "")
    name = name.replace("cross_attention.", "multihead_attn.").replace("attention.", "self_attn.")
    for third, ours in enumerate((".query.", ".key.", ".value.")):
        if ours in name:
            return name.replace(ours, ".in_proj_"), third
    return name.replace(".out.", ".out_proj."), None


def matched(ours: Any, theirs: Any) -> list[tuple[str, Any, Any]]:
    """Our parameters with torch's, in pairs of (parameter, function that picks from a tensor of theirs the same piece)."""
    named, pairs = dict(theirs.named_parameters()), []
    for name, parameter in ours.named_parameters():
        if name.split(".")[0] in ("embedding", "head"):
            continue
        at, third = translated(name)
        pairs.append((name, parameter, (named[at], third)))
    return pairs


def piece(tensor: Any, third: int | None) -> Any:
    return tensor if third is None else tensor.chunk(3)[third]


def shared(ours: Any, theirs: Any) -> None:
    """Draw all of ours anew, and copy them over; what is not copied is NaN."""
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.fill_(math.nan)
        for name, parameter in ours.named_parameters():
            parameter.normal_(mean=1.0 if "norm" in name and name.endswith("weight") else 0.0, std=0.3)
        for _, parameter, (tensor, third) in matched(ours, theirs):
            piece(tensor, third).copy_(parameter)
    assert not any(parameter.isnan().any() for parameter in theirs.parameters())


def pair(lesson: ModuleType, V: int, C: int, H: int, W: int, encoders: int, decoders: int, p: float = 0.0) -> Any:
    """Our model and nn.Transformer in float64, so that only mistakes make a difference."""
    torch.manual_seed(C + H)
    ours = lesson.Transformer(V, C, H, W, encoders, decoders, dropout=p).double()
    theirs = nn.Transformer(C, H, encoders, decoders, W, dropout=p, batch_first=True).double()
    shared(ours, theirs)
    return ours, theirs


def sentences(B: int, T: int, V: int) -> Any:
    """Rows of unequal length, the first one full, filled up with token 0."""
    rows = torch.randint(1, V, (B, T))
    rows[torch.arange(T) >= (T - torch.arange(B) % T)[:, None]] = 0
    return rows


def said_by_torch(ours: Any, theirs: Any, source: Any, target: Any) -> Any:
    """The same logits by nn.Transformer, between our embedding and our head."""
    T = target.shape[1]
    y = theirs(
        ours.embed(source),
        ours.embed(target),
        tgt_mask=~torch.ones(T, T).tril().bool(),
        src_key_padding_mask=source == 0,
        tgt_key_padding_mask=target == 0,
        memory_key_padding_mask=source == 0,
    )
    return ours.head(y)


@pytest.mark.parametrize("size", SIZES)
def test_the_whole_model_forward_and_back(lesson: ModuleType, size: tuple[int, ...]) -> None:
    ours, theirs = pair(lesson, *size)
    source, target = sentences(4, 9, size[0]), sentences(4, 6, size[0])
    logits, want = ours(source, target), said_by_torch(ours, theirs, source, target)
    torch.testing.assert_close(logits, want)

    (want**2).mean().backward()
    table, bias = ours.embedding.weight.grad.clone(), ours.head.bias.grad.clone()
    ours.zero_grad()
    (logits**2).mean().backward()
    torch.testing.assert_close(ours.embedding.weight.grad, table)
    torch.testing.assert_close(ours.head.bias.grad, bias)
    for name, parameter, (tensor, third) in matched(ours, theirs):
        torch.testing.assert_close(
            parameter.grad, piece(tensor.grad, third), msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_the_fast_path_of_evaluation_agrees_where_there_are_words(lesson: ModuleType) -> None:
    ours, theirs = pair(lesson, *SIZES[0])
    source, target = sentences(4, 9, 23), sentences(4, 6, 23)
    with torch.no_grad():
        got, want = ours.eval()(source, target), said_by_torch(ours, theirs.eval(), source, target)
    torch.testing.assert_close(got[target != 0], want[target != 0])


def test_dropout_is_drawn_as_theirs_is(lesson: ModuleType) -> None:
    for kind, theirs_kind in (
        ("EncoderLayer", nn.TransformerEncoderLayer),
        ("DecoderLayer", nn.TransformerDecoderLayer),
    ):
        torch.manual_seed(1)
        ours = getattr(lesson, kind)(24, 4, 40, 0.4).double()
        theirs = theirs_kind(24, 4, 40, dropout=0.4, batch_first=True).double()
        shared(ours, theirs)
        # one sequence: with several, theirs draws in the order of its memory, time first
        given = [torch.randn(1, T, 24).double() for T in (5, 7)][: 1 if kind == "EncoderLayer" else 2]
        torch.manual_seed(2)
        want = theirs(*given)
        torch.manual_seed(2)
        torch.testing.assert_close(ours(*given), want)
        torch.testing.assert_close(ours.eval()(*given), theirs.eval()(*given))


@pytest.mark.parametrize("shape", [(3, 5, 12), (7, 64), (10,)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_layer_norm(lesson: ModuleType, shape: tuple[int, ...], dtype: str) -> None:
    x = (torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 2).to(getattr(torch, dtype))
    ours, theirs = lesson.LayerNorm(shape[-1], 1e-3), nn.LayerNorm(shape[-1], 1e-3)
    with torch.no_grad():
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.copy_(other.normal_())
    loose = {"rtol": 0.05, "atol": 0.05} if dtype == "bfloat16" else {}
    torch.testing.assert_close(ours.to(x.dtype)(x), theirs.to(x.dtype)(x), **loose)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_loss_is_cross_entropys(lesson: ModuleType, smoothing: float) -> None:
    torch.manual_seed(0)
    logits, wanted = torch.randn(4, 9, 13).double() * 5, sentences(4, 9, 13)
    want = F.cross_entropy(logits.transpose(1, 2), wanted, ignore_index=0, label_smoothing=smoothing)
    torch.testing.assert_close(lesson.smoothed_loss(logits, wanted, smoothing), want)


def test_the_schedule_by_a_scheduler_of_torch(lesson: ModuleType) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: lesson.noam(n + 1, 128, 20, 2.0))
    rates = []
    for _ in range(100):
        rates += scheduler.get_last_lr()
        optimizer.step()
        scheduler.step()
    assert rates.index(max(rates)) == 19
    assert rates[19] == pytest.approx(2.0 / math.sqrt(128 * 20))
    assert rates[79] == pytest.approx(rates[19] / 2)


def test_beams_and_greedy_on_the_model(lesson: ModuleType) -> None:
    """One beam is greedy, and a score is what the model says of the text, over the penalty."""
    torch.manual_seed(3)
    model = lesson.Transformer(9, 16, 2, 24, 1, 1, dropout=0.0).eval()
    for source in sentences(5, 6, 9)[:, None]:
        memory, mask = model.encode(source), model.source_mask(source)

        def after(texts: Any, memory: Any = memory, mask: Any = mask) -> Any:
            return model.decode(texts, memory.expand(len(texts), -1, -1), mask)[:, -1].log_softmax(-1)

        for beams in (1, 4):
            tokens, score = lesson.beam_search(after, beams, 7)
            logs = model(source, torch.tensor([[1, *tokens[:-1]]])).log_softmax(-1)[0]
            total = logs[range(len(tokens)), tokens].sum().item()
            assert score == pytest.approx(total / ((5 + len(tokens)) / 6) ** 0.6, rel=1e-4)
            assert beams > 1 or tokens == lesson.greedy(model, source, 7)[0].tolist()


def test_parameters_are_as_many(lesson: ModuleType) -> None:
    """The paper's base model: 37,000 shared tokens, both final norms, an output bias."""
    with torch.device("meta"):
        ours, theirs = lesson.Transformer(37_000), nn.Transformer(batch_first=True)
    inside = sum(p.numel() for p in theirs.parameters())
    assert sum(p.numel() for p in ours.parameters()) == inside + 37_000 * 512 + 37_000 == 63_121_544
    assert ours.head.weight is ours.embedding.weight


def digits(draws: Any, B: int) -> tuple[Any, Any]:
    """Five digits, and BOS, the same five backwards, EOS."""
    source = torch.randint(3, 13, (B, 5), generator=draws)
    return source, F.pad(F.pad(source.flip(1), (1, 0), value=1), (0, 1), value=2)


@pytest.mark.slow
def test_the_small_twin_of_the_curriculum(lesson: ModuleType) -> None:
    """Reverse 5 digits: width 32, 1 + 1 layers, lr 3e-3, 300 steps; three seeds."""
    for seed in range(3):
        torch.manual_seed(seed)
        model = lesson.Transformer(13, 32, 2, 64, 1, 1, dropout=0.0)
        draws, optimizer = torch.Generator().manual_seed(seed), torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(300):
            loss = lesson.teach(model, *digits(draws, 64))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        source, target = digits(draws, 500)
        written = F.pad(lesson.greedy(model, source, 6), (0, 6))[:, :6]
        assert (written == target[:, 1:]).all(1).float().mean() >= 0.9
