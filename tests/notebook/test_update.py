"""Update and reset: what the learner wrote stays, whatever we and they changed."""

import copy
import json
from typing import Any

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.notebook import reset, update
from autograder.notebook.build import build
from autograder.notebook.cells import source_hash, text

Json = dict[str, Any]
ANSWER = "@method(Number)\ndef mul(self, other):\n    return Number(6)"


def copied(notebook: Json) -> Json:
    return copy.deepcopy(notebook)


def cell_of(notebook: Json, name: str) -> Json:
    (cell,) = [cell for cell in notebook["cells"] if cell.get("id") == name]
    return cell


def sources(notebook: Json) -> list[str]:
    return [text(cell["source"]) or "" for cell in notebook["cells"]]


def own(source: str, name: str = "own", **other: Any) -> Json:
    return {"cell_type": "markdown", "id": name, "source": source, "metadata": {}, **other}


def edited(notebook: Json, name: str, source: str) -> Json:
    result = copied(notebook)
    cell_of(result, name)["source"] = source
    return result


def new_text(fresh: Json, name: str, source: str) -> Json:
    """The lesson after we changed one cell's text."""
    result = edited(fresh, name, source)
    cell_of(result, name)["metadata"]["fathom"]["source"] = source_hash(source)
    result["metadata"]["fathom"]["version"] = source_hash(source)
    return result


def without(notebook: Json, *names: str) -> Json:
    result = copied(notebook)
    result["cells"] = [cell for cell in result["cells"] if cell["id"] not in names]
    return result


def with_after(notebook: Json, name: str, *cells: Json) -> Json:
    result = copied(notebook)
    place = [cell["id"] for cell in result["cells"]].index(name) + 1
    result["cells"][place:place] = copied({"cells": list(cells)})["cells"]
    return result


def updated(mine: Json, fresh: Json) -> Json:
    """Update, and hold what every update promises."""
    before = copied(mine), copied(fresh)
    result, changes = update(mine, fresh)
    assert (mine, fresh) == before, "the arguments were changed"
    assert bool(changes) == (result != mine)
    nbformat.validate(nbformat.from_dict(result))
    assert update(result, fresh) == (result, [])
    return result


def test_an_unchanged_notebook_stays_as_it_is(fresh: Json) -> None:
    assert update(copied(fresh), fresh) == (fresh, [])


def test_a_notebook_full_of_work_stays_as_it_is(fresh: Json) -> None:
    mine = with_after(
        edited(fresh, "mul", ANSWER), "products-1", own("note"), own("x = 1", "a", cell_type="code", outputs=[])
    )
    cell_of(mine, "products-2").update(
        outputs=[{"output_type": "stream", "name": "stdout", "text": ["6\n"]}], execution_count=4
    )
    cell_of(mine, "products-2")["metadata"]["scrolled"] = True
    mine["metadata"]["kernelspec"] = {"name": "mine", "display_name": "Mine"}
    assert update(mine, fresh) == (mine, [])


def test_sources_as_lists_are_no_change(fresh: Json) -> None:
    mine = copied(fresh)
    for cell in mine["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    assert update(mine, fresh) == (mine, [])


# --- three ways: the learner edited, we edited, both did


def test_our_new_prose_comes_in(fresh: Json) -> None:
    newer = new_text(fresh, "products-1", "## Products\n\nBetter words.")
    result, changes = update(fresh, newer)
    assert result == newer == updated(fresh, newer)
    assert changes == ["new text in products-1"]


def test_their_edited_prose_stays(fresh: Json) -> None:
    mine = edited(fresh, "products-1", "## Products\n\nMy guess: 6.")
    assert update(mine, fresh) == (mine, [])
    newer = new_text(fresh, "numbers-1", "# Other numbers")
    assert sources(updated(mine, newer))[4] == "## Products\n\nMy guess: 6."


def test_prose_that_both_edited_is_there_twice(fresh: Json) -> None:
    mine = with_after(edited(fresh, "products-1", "My guess: 6."), "products-1", own("more of mine"))
    newer = new_text(fresh, "products-1", "## Products\n\nBetter words.")
    result = updated(mine, newer)
    assert sources(result)[4:7] == ["## Products\n\nBetter words.", "My guess: 6.", "more of mine"]
    assert update(mine, newer)[1] == ["new text in products-1; yours is kept in the cell below it"]
    kept = result["cells"][5]
    assert "fathom" not in kept["metadata"] and kept["id"] != "products-1"
    newest = new_text(newer, "products-1", "## Products\n\nBest words.")
    assert sources(updated(result, newest))[4:7] == ["## Products\n\nBest words.", "My guess: 6.", "more of mine"]


def test_prose_that_both_changed_alike_is_there_once(fresh: Json) -> None:
    newer = new_text(fresh, "products-1", "## Products\n\nFixed.")
    result = updated(edited(fresh, "products-1", "## Products\n\nFixed."), newer)
    assert result == newer


def test_an_edited_check_cell_follows_the_same_rule(fresh: Json) -> None:
    mine = edited(fresh, "check-mul", 'check("mul")  # hm')
    assert update(mine, fresh) == (mine, [])
    result = updated(mine, new_text(fresh, "check-mul", 'check("times")'))
    assert sources(result)[7:9] == ['check("times")', 'check("mul")  # hm']
    assert "nbgrader" not in result["cells"][8]["metadata"]


def test_answers_stay_even_where_the_stub_changed(fresh: Json) -> None:
    mine = edited(fresh, "mul", ANSWER)
    newer = new_text(fresh, "mul", "@method(Number)\ndef mul(self, factor):\n    raise NotImplementedError")
    result = updated(mine, newer)
    assert text(cell_of(result, "mul")["source"]) == ANSWER
    assert update(mine, newer)[1] == ["the stub of mul has changed; what you wrote there is kept as it is"]
    assert updated(fresh, newer) == newer


def test_outputs_stay_where_the_text_stays(fresh: Json) -> None:
    mine = copied(fresh)
    output = {"output_type": "stream", "name": "stdout", "text": "6\n"}
    cell_of(mine, "products-2").update(outputs=[output], execution_count=3)
    cell_of(mine, "numbers-2").update(outputs=[output], execution_count=1)
    result = updated(mine, new_text(fresh, "numbers-2", "import math, cmath"))
    assert cell_of(result, "products-2")["outputs"] == [output]
    assert cell_of(result, "numbers-2")["outputs"] == []


# --- cells that come, go and move


def test_new_and_lost_cells_come_in_at_their_places(fresh: Json) -> None:
    mine = without(
        with_after(edited(fresh, "mul", ANSWER), "products-2", own("note")), "products-1", "check-mul", "number"
    )
    result = updated(mine, fresh)
    assert [cell["id"] for cell in result["cells"]] == [
        *("numbers-1", "numbers-2", "number", "check-add", "products-1", "products-2", "own", "mul"),
        *("check-mul", "norm", "check-signs"),
    ]


def test_a_cell_put_in_between_renumbers_the_others_and_nothing_else(course: Any) -> None:
    before = build(course.exercise)
    course.change("# %%\na, b =", "# %% [markdown]\n# Think first.\n\n# %%\na, b =")
    after = build(course.exercise)
    mine = edited(before, "products-2", "a, b = Number(7), Number(9)")
    result = updated(mine, after)
    assert sources(result)[4:8] == [
        "## Products\n\nPredict: what is 2 · 3?",
        "Think first.",
        "a, b = Number(7), Number(9)",
        sources(after)[7],
    ]


def test_cells_the_lesson_dropped_go_unless_the_learner_wrote_in_them(fresh: Json) -> None:
    newer = without(fresh, "products-1", "products-2", "mul", "check-mul")
    assert updated(fresh, newer) == newer
    mine = edited(edited(fresh, "mul", ANSWER), "products-1", "My notes")
    result = updated(mine, newer)
    assert sources(result)[4:6] == ["My notes", ANSWER]
    assert "nbgrader" not in result["cells"][5]["metadata"]


def test_cells_of_their_own_keep_their_places(fresh: Json) -> None:
    mine = with_after(fresh, "check-signs", own("last", "z"))
    mine["cells"].insert(0, own("first", "a"))
    mine = with_after(mine, "mul", own("one", "b"), own("two", "c"))
    result = updated(mine, new_text(fresh, "mul", "def mul():\n    raise NotImplementedError"))
    ids = [cell["id"] for cell in result["cells"]]
    assert (ids[0], ids[-1], ids[ids.index("mul") + 1 :][:2]) == ("a", "z", ["b", "c"])


def test_duplicates_are_kept(fresh: Json) -> None:
    twin = {**copied(cell_of(fresh, "mul")), "id": "twin", "source": ANSWER}
    prose = {**copied(cell_of(fresh, "products-1")), "id": "prose-twin"}
    mine = with_after(fresh, "norm", twin, prose)
    assert update(mine, fresh) == (mine, [])
    result = updated(mine, new_text(fresh, "mul", "def mul():\n    raise NotImplementedError"))
    assert text(cell_of(result, "twin")["source"]) == ANSWER
    assert cell_of(result, "prose-twin") == prose


def test_moved_cells_go_back(fresh: Json) -> None:
    mine = copied(fresh)
    mine["cells"].insert(0, mine["cells"].pop(6))
    assert updated(mine, fresh) == fresh
    assert update(mine, fresh)[1] == ["put the lesson's cells back in their order"]


def test_tools_that_rewrite_ids_or_drop_metadata_are_survived(fresh: Json) -> None:
    mine = edited(fresh, "mul", ANSWER)
    for number, cell in enumerate(mine["cells"]):
        cell["id"] = f"tool-{number}"
    assert sources(updated(mine, fresh)) == sources(edited(fresh, "mul", ANSWER))
    mine = edited(fresh, "mul", ANSWER)
    for cell in mine["cells"]:
        cell["metadata"] = {}
    assert updated(mine, fresh) == edited(fresh, "mul", ANSWER)
    for cell in mine["cells"]:
        del cell["id"]
    mine["nbformat_minor"] = 4
    result = updated(mine, fresh)
    assert [s for s in sources(result) if s != ANSWER] == sources(fresh)  # the answer is kept, as a cell of its own
    assert ANSWER in sources(result)


def test_hostile_cells_are_kept_or_left_out_but_never_in_the_way(fresh: Json) -> None:
    mine = copied(fresh)
    mine["cells"][0]["metadata"] = ["x"]
    mine["cells"][1]["metadata"] = {"fathom": 3, "nbgrader": [], "tags": "x"}
    mine["cells"][2]["id"] = 7
    mine["cells"][3]["metadata"]["fathom"] = {"source": {}, "cell": []}
    mine["metadata"] = None
    mine["nbformat_minor"] = "5"
    result, _ = update(mine, fresh)
    assert sources(result) == sources(fresh)
    assert update(result, fresh) == (result, [])


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["edit", "delete", "duplicate", "move", "add", "forget", "rename", "ours", "drop"]),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(operations=OPERATIONS)
def test_nothing_written_is_lost_and_a_second_update_changes_nothing(operations: list[Any], fresh: Json) -> None:
    mine, newer, written = copied(fresh), copied(fresh), []
    for number, (what, place, other) in enumerate(operations):
        cells = mine["cells"]
        cell = cells[place % len(cells)] if cells else None
        ours = newer["cells"][place % len(newer["cells"])]
        if what == "ours":
            ours["source"] = f"# new text {number}"
            ours["metadata"]["fathom"]["source"] = source_hash(ours["source"])
        elif what == "drop" and len(newer["cells"]) > 1:
            newer["cells"].remove(ours)
        elif what == "add":
            cells.insert(other % (len(cells) + 1), own(f"my words {number}", f"own-{number}"))
            written.append(f"my words {number}")
        elif cell is None:
            continue
        elif what == "edit":
            written = [w for w in written if w != cell["source"]]
            cell["source"] = f"# my edit {number}"
            written.append(cell["source"])
        elif what == "delete":
            cells.remove(cell)
            written = [w for w in written if any(c["source"] == w for c in cells)]
        elif what == "duplicate":
            cells.insert(other % (len(cells) + 1), {**copied(cell), "id": f"copy-{number}"})
        elif what == "move":
            cells.remove(cell)
            cells.insert(other % (len(cells) + 1), cell)
        elif what == "forget":
            cell["metadata"] = {}
        elif what == "rename":
            cell["id"] = f"renamed-{number}"
    result = updated(mine, newer)
    missing = [words for words in written if words not in sources(result)]
    assert not missing
    assert [c["id"] for c in result["cells"] if c["id"] in {n["id"] for n in newer["cells"]}] == [
        cell["id"] for cell in newer["cells"]
    ]


# --- reset


def test_reset_gives_back_the_stub_of_one_part(fresh: Json) -> None:
    mine = edited(edited(fresh, "mul", ANSWER), "norm", "def norm(values):\n    return 3")
    cell_of(mine, "mul").update(outputs=[{"output_type": "stream", "name": "stdout", "text": "x"}], execution_count=2)
    before = copied(mine)
    result, changes = reset(mine, fresh, "mul")
    assert mine == before
    assert cell_of(result, "mul") == cell_of(fresh, "mul")
    assert text(cell_of(result, "norm")["source"]) == "def norm(values):\n    return 3"
    assert changes == ["cell mul is blank again"]
    assert reset(result, fresh, "mul") == (result, [])


def test_reset_leaves_other_parts_in_the_same_cell_alone(fresh: Json) -> None:
    mine = edited(
        fresh,
        "number",
        "class Number:\n  def __init__(self, data):\n    self.data = data\n"
        "  def neg(self):\n    # mine\n    return 4\n  @staticmethod\n  def add(self, other):\n    return 5\n"
        "\n  extra = 1",
    )
    result, changes = reset(mine, fresh, "add")
    assert text(cell_of(result, "number")["source"]) == (
        "class Number:\n  def __init__(self, data):\n    self.data = data\n"
        "  def neg(self):\n    # mine\n    return 4\n"
        '  def add(self, other):\n      """Return the sum."""\n'
        "      # write your code here\n      raise NotImplementedError\n"
        "\n  extra = 1"
    )
    assert changes == ["cell number is blank again"]
    result, _ = reset(mine, fresh, "signs")  # this part has stubs in two cells
    assert "return 5" in str(cell_of(result, "number")["source"])
    assert "return 4" not in str(cell_of(result, "number")["source"])
    assert cell_of(result, "norm") == cell_of(fresh, "norm")


def test_reset_says_what_else_goes_where_a_cell_cannot_be_parsed(fresh: Json) -> None:
    mine = edited(fresh, "number", "class Number:\n  def add(self:\n")
    result, changes = reset(mine, fresh, "add")
    assert cell_of(result, "number") == cell_of(fresh, "number")
    assert changes == ["cell number is blank again, and with it signs"]


def test_reset_brings_back_a_lost_cell_and_blanks_every_copy(fresh: Json) -> None:
    mine = without(fresh, "mul")
    result, changes = reset(mine, fresh, "mul")
    assert result == fresh
    assert changes == ["cell mul is back"]
    twin = {**copied(cell_of(fresh, "mul")), "id": "twin", "source": ANSWER}
    result, changes = reset(with_after(fresh, "norm", twin), fresh, "mul")
    assert text(cell_of(result, "twin")["source"]) == cell_of(fresh, "mul")["source"]
    assert len(changes) == 1


def test_reset_of_everything_and_of_nothing(fresh: Json) -> None:
    mine = edited(edited(fresh, "mul", ANSWER), "number", "class Number: ...")
    mine = with_after(mine, "mul", own("note"))
    result, _ = reset(mine, fresh, None)
    assert result == with_after(fresh, "mul", own("note"))
    assert reset(fresh, fresh, None) == (fresh, [])
    with pytest.raises(LookupError, match="'pow'"):
        reset(mine, fresh, "pow")


def test_reset_works_on_a_notebook_without_cells(fresh: Json) -> None:
    result, _ = reset({**copied(fresh), "cells": []}, fresh, "mul")
    assert [cell["id"] for cell in result["cells"]] == ["mul"]
    assert json.dumps(result)
