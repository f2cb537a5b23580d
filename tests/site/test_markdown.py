from __future__ import annotations

from collections.abc import Callable

from autograder.site.markdown import asks, cell_text, fence, prose, spoiler

Html = Callable[[str], str]


def test_a_list_right_below_a_paragraph_becomes_a_list(html: Html) -> None:
    assert prose("Here:\n- one\n- two") == "Here:\n\n- one\n- two"
    assert html(prose("Here:\n- one\n- two")).count("<li>") == 2


def test_lists_nested_by_two_or_three_columns_stay_nested(html: Html) -> None:
    for text in ("- a\n  - b\n    - c\n- d", "1. a\n   - b\n     - c\n2. d"):
        made = html(prose(text))
        assert made.count("<ul>") + made.count("<ol>") == 3
        assert made.index("c</li>") < made.index("d</li>")


def test_lines_that_continue_an_item_stay_in_it(html: Html) -> None:
    made = html(prose("- one\n  goes on\n\n  a second paragraph\n\nafter it"))
    assert made.count("<li>") == 1
    assert "after it" in made.split("</ul>")[1]
    assert "second paragraph" in made.split("</ul>")[0]


def test_text_that_only_looks_like_a_list_is_left_alone() -> None:
    for text in ("a - b", "-1 is less", "2.5 metres", "**bold** text", "*so*", "---"):
        assert prose(text) == text


def test_fenced_code_keeps_every_column() -> None:
    text = "Look:\n\n```python\nif x:\n  - y\n**Predict.** no\n```\n- an item"
    assert "```python\nif x:\n  - y\n**Predict.** no\n```" in prose(text)


def test_a_prediction_becomes_a_call_out_and_is_noticed() -> None:
    text = "Before.\n\n**Predict.** How many\nroads?"
    assert prose(text) == 'Before.\n\n!!! predict "Predict"\n\n    How many\n    roads?'
    assert asks(text)
    assert not asks(text + "\n\nAfter it.")


def test_a_fence_is_longer_than_any_inside_it(html: Html) -> None:
    made = html(fence("```\n````", "text", "output"))
    assert "````" in made
    assert "output" in made.split("<pre>")[0]


def test_a_spoiler_holds_code_with_empty_lines(html: Html) -> None:
    made = html(spoiler("success", 'The "one"', fence("a = 1\n\n\nb = 2", "python")))
    assert made.startswith('<details class="success">')
    assert made.rstrip().endswith("</details>")


def test_text_for_a_table_stays_in_its_cell() -> None:
    assert cell_text("P(a | b)\nso") == "P(a \\| b) so"
