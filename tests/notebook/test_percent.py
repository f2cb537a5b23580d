"""Percent scripts: read as jupytext reads them, and fast."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.notebook import percent
from autograder.notebook.percent import BadHeader, cells, header, parse

HEAD = "# ---\n# jupyter:\n#   fathom:\n#     number: 1\n# ---\n\n"
OPTIONS = '# %% nbgrader={"grade_id": "mul", "solution": true} tags=["x", "a b"]'
LINES = [
    *("x = 1", "", "    y = 2", "# comment", "#", "#no space", "def f():", "    return 1", "f('a\\'b')", "# it's"),
    *("# %%", "#%%", "# %% title", "# %% Title a=1 b=[1, 2]", OPTIONS, "    # %% inner", "# %%%% deep", "# In[3]:"),
    *("# %% [markdown]", "# %% [md]", "# %% [raw]", '# %% [markdown] tags=["a"]', '# %% {"a": 1}', "# %% é 日本"),
    *("'''", '"""', "s = '''abc", 's = "# %%"', "r'''", 'x = """a""" # b', '# """', "it's # '''", "# # Heading"),
    *("# ```", "# ```python", "# ~~~", "```", "# <codecell>", "# text **b**", "# %%timeit", "%%time", "# %%\ttab"),
    *('# %% x="a b" y=1.5 z=null', "# %matplotlib inline"),
]
NOT_COMPARED = {"lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker", "region_name", "cell_depth"}


def test_header_and_cells() -> None:
    text = HEAD + "# %% [markdown]\n# # Title\n#\n# More.\n\n# %%\nimport math\n\n\n" + OPTIONS + "\nx = 1\n"
    head, found = parse(text)
    assert head == {"jupyter": {"fathom": {"number": 1}}}
    assert [(cell.kind, cell.source, cell.index) for cell in found] == [
        ("markdown", "# Title\n\nMore.", 0),
        ("code", "import math", 1),
        ("code", "x = 1", 2),
    ]
    assert found[2].metadata == {"nbgrader": {"grade_id": "mul", "solution": True}, "tags": ["x", "a b"]}


def test_markers_inside_strings_and_fenced_blocks_are_text() -> None:
    (cell,) = cells('# %%\ns = """\n# %%\n"""\n')
    assert cell.source == 's = """\n# %%\n"""'
    (cell,) = cells("# %% [markdown]\n# ```\n# %% x\n# ```\n")
    assert cell.source == "```\n%% x\n```"


def test_windows_line_ends_are_lines() -> None:
    assert [cell.source for cell in cells("# %%\r\nx = 1\r\n\r\n# %% [markdown]\r\n# é\r\n")] == ["x = 1", "é"]


def test_a_form_feed_does_not_end_a_line() -> None:
    assert cells("# %%\ns = 'a\x0cb\u2028c'\n")[0].source == "s = 'a\x0cb\u2028c'"


def test_options_nobody_can_read_are_kept_apart() -> None:
    (cell,) = cells('# %% nbgrader={"grade_id": "mul"\nx = 1\n')
    assert set(cell.metadata) == {percent.UNREADABLE_OPTIONS}
    (cell,) = cells("# %% nbgrader={'grade_id': 'mul'}\nx = 1\n")
    assert cell.grade_id == "mul"


@pytest.mark.parametrize("bad", ["#   a: [", "# - 1", "#   a: b: c"])
def test_a_header_that_is_no_mapping_is_refused_but_the_cells_stay(bad: str) -> None:
    text = f"# ---\n{bad}\n# ---\n\n# %%\nx = 1\n"
    with pytest.raises(BadHeader):
        header(text)
    assert [cell.source for cell in cells(text)] == ["x = 1"]


def test_without_a_header_there_is_none() -> None:
    assert header("# %%\nx = 1\n") == {}
    assert header("") == {}
    assert header("# ---\n# a: 1\nx = 1\n") == {}


def compare(text: str) -> None:
    import jupytext

    options = {"extension": ".py", "format_name": "percent", "comment_magics": False}
    theirs = [
        (cell.cell_type, cell.source.rstrip(), {k: v for k, v in cell.metadata.items() if k not in NOT_COMPARED})
        for cell in jupytext.reads(text, fmt=options).cells
    ]
    ours = [(cell.kind, cell.source.rstrip(), dict(cell.metadata)) for cell in cells(text)]
    # jupytext makes cells of blank lines before the first marker; nobody misses them
    assert [c for c in ours if c[1].strip() or c[2]] == [c for c in theirs if c[1].strip() or c[2]], text


@settings(deadline=None, max_examples=200)
@given(lines=st.lists(st.sampled_from(LINES), max_size=12), head=st.booleans())
def test_reads_what_jupytext_reads(lines: list[str], head: bool) -> None:
    compare((HEAD if head else "") + "\n".join(lines) + "\n")


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6))
def test_reads_what_jupytext_writes(seed: int) -> None:
    import jupytext
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    rng = random.Random(seed)
    made = []
    for _ in range(rng.randint(1, 5)):
        if rng.random() < 0.4:
            made.append(
                new_markdown_cell("\n".join(rng.choices(["# H", "", "text", "- é", "`a`"], k=4)).strip() or "x")
            )
        else:
            source = "\n\n".join(rng.choices(["x = 1", "def f():\n    return 1", "class A:\n    b = '#'"], k=3))
            options = {"nbgrader": {"grade_id": "a", "points": 2}, "tags": ["é", 'b"c']} if rng.random() < 0.5 else {}
            made.append(new_code_cell(source, metadata=options))
    text = jupytext.writes(new_notebook(cells=made), fmt="py:percent")
    wanted = [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in made]
    assert [(cell.kind, cell.source, dict(cell.metadata)) for cell in cells(text)] == wanted


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "# %% [markdown]\n" + "# ```a b\n# ~~~x\n" * 30_000,
        "# %% " + "a=1 " * 100_000,
        "# %% " + "a" * 500_000,
        "#" + " " * 500_000 + "x",
        "'''\n" * 100_000,
        "'" * 500_000,
        "# %% [markdown]\n" + "'''" + "\n" * 500_000,
        "\n" * 1_000_000,
        "# ---\n" * 100_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_no_text_takes_long(text: str) -> None:
    cells(text)
