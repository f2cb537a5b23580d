"""What verdicts, pictures and `look` are made of."""

from __future__ import annotations

import base64
import re
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch

from autograder import look, palette
from autograder.curriculum import Part
from autograder.judge.report import CheckReport, Outcome, PartReport
from autograder.render.notebook import plain, verdict_html
from autograder.render.pictures import beside

mpl.use("agg")
PART = Part("mul", "Products & <roads>", 2, (), ("a", "b", "c"), ("mul",))


def verdict(outcome: Outcome = "failed", **fields: Any) -> PartReport:
    """A verdict with one check."""
    check = CheckReport("it works", outcome, fields.pop("got", ""), fields.pop("want", ""), "think <b>", **fields)
    return PartReport("mul", outcome, 2, "think <b>", (check,))


def test_every_word_is_escaped_and_tamed() -> None:
    evil = "<img src=x onerror=alert(1)>\x1b[31m\u202e\ud800"
    page = verdict_html(verdict(got=evil, want=evil, where=evil, printed=evil), PART, (evil,))
    assert "<img" not in page
    assert "\x1b" not in page
    assert "Products &amp; &lt;roads&gt;" in page
    page.encode("utf-8")
    plain(verdict(got=evil), (evil,)).encode("utf-8")


def test_plain_text_has_no_escape_codes_whatever_the_environment_forces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    assert "\x1b" not in plain(verdict(got="1", want="2"))


def test_a_misconception_and_its_question_are_told_apart() -> None:
    report = PartReport("mul", "failed", 2, "It is set once. In a·b + a, what is left?", (), ("bug",))
    page = verdict_html(report, PART)
    assert ">It is set once.</div>" in page
    assert ">In a·b + a, what is left?</div>" in page


@pytest.mark.parametrize("size", [1, 2, 3000])
def test_rows_of_numbers_are_lines(size: int) -> None:
    page = beside(([[0.5] * size], [[1.0] * (size + 1)]))
    assert page.count("<polyline") == 2
    assert "nan" not in page


def test_numbers_that_are_not_finite_break_a_line_and_stand_out_in_a_map() -> None:
    nan, inf = float("nan"), float("inf")
    page = beside(([[1.0, nan, 2.0, inf]], [[1.0, 2.0, 3.0, 4.0]]))
    assert page.count("<polyline") == 3
    page = beside(([[1.0, nan], [inf, -1.0]], [[1.0, 2.0], [3.0, 4.0]]))
    assert "not finite" in page
    beside(([[nan, nan]], [[nan, nan]]))
    beside(([[nan], [nan]], [[nan], [nan]]))


def test_maps_have_one_pixel_a_number_and_a_difference_where_shapes_agree() -> None:
    page = beside((np.eye(3, 5).tolist(), np.zeros((3, 5)).tolist()))
    images = [base64.b64decode(found) for found in re.findall(r"base64,([^\"]+)", page)]
    assert len(images) == 3
    import io

    from PIL import Image

    first = Image.open(io.BytesIO(images[0]))
    assert first.size == (5, 3)
    assert first.getpixel((0, 0))[3] == 255
    assert first.getpixel((1, 0))[3] == 0
    assert "difference" not in beside((np.eye(3).tolist(), np.eye(2).tolist()))
    assert beside((np.eye(3).tolist(), np.eye(2).tolist())).count("<img") == 2


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (torch.randn(4, 30, 50, requires_grad=True), "4 × 30 × 50   float32   6,000 numbers"),
        (torch.tensor(3.0), "scalar   float32   1 number"),
        (torch.randn(3, 3, dtype=torch.bfloat16), "3 × 3   bfloat16"),
        (torch.zeros(0, 4), "0 × 4   float32   0 numbers"),
        (torch.tensor([1.0, float("nan"), float("inf")]), "zeros 0   NaN 1   inf 1"),
        (torch.tensor([True, False]), "zeros 1"),
        (np.arange(6).reshape(2, 3), "2 × 3   int64"),
        ([[1, 2], [3, 4]], "2 × 2   list"),
        (np.array([1 + 1j, 2]), "complex128"),
    ],
)
def test_look_says_what_a_tensor_holds(value: Any, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    look(value)
    assert told in capsys.readouterr().out


def test_look_refuses_what_holds_no_numbers_and_leaves_figures_as_they_were() -> None:
    with pytest.raises(TypeError, match="arrays of numbers"):
        look(["a", "b"])
    before = dict(mpl.rcParams)
    look(torch.randn(8, 8))
    assert dict(mpl.rcParams) == before


def test_palette_reads_on_any_background_and_unpacks() -> None:
    with mpl.rc_context():
        ink, blue, orange, green, *_ = palette()
        assert mpl.rcParams["figure.facecolor"] == "none"
    for colour in (ink, blue, orange, green):
        for page in ("#ffffff", "#111111"):
            assert contrast(colour, page) > 3, f"{colour} on {page}"


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 measures it; 3 is its least for graphics."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)
