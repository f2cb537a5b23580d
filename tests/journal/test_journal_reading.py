"""A log is read in blocks, and a block as a whole where all of its lines are right: as if line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import journal
from autograder.journal import reading
from autograder.journal.event import BrokenLine, decode, encode
from autograder.journal.log import place

NOW = 1_772_625_600.0
OUTCOMES = ("failed", "passed", "not_started")
some = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def lines(count: int) -> list[bytes]:
    """Lines as they are written, one below the other."""
    found, after = [], ""
    for number in range(count):
        event = {
            "kind": "attempt",
            "exercise": "tally",
            "digest": f"d{number}",
            "source": "check",
            "seconds": 0,
            "points": 1,
            "out_of": 2,
            "parts": {"add": OUTCOMES[number % 3], "mean": "failed"},
            "bugs": {"mean": "sign"},
        }
        name = f"{number:016x}"
        found.append(encode(event, name, after, NOW + 60 * number).removesuffix(b"\n"))
        after = name
    return found


RIGHT = lines(12)
HINT = (
    b'{"v":1,"id":"h","after":"","at":"2026-03-04T12:30:00Z","kind":"hint","exercise":"tally","part":"add","level":1}'
)
TWICE = RIGHT[2].replace(b'"source"', b'"id":"twice","source"')
ODD = (
    b"",
    b"  ",
    b"rubbish",
    b"<<<<<<< HEAD",
    HINT,
    TWICE,
    RIGHT[3],  # known already
    RIGHT[4].replace(b',"kind"', b', "kind"'),  # a space: JSON, but not as it is written
    RIGHT[5].replace(b'"digest":"d5",', b""),
    RIGHT[6].replace(b'"failed"', b'"fine"'),
    RIGHT[7].replace(b"000Z", b"000+01:00"),
    RIGHT[7].replace(b"2026-03", b"2026-13"),
    RIGHT[8] + b"\r",
    RIGHT[9].replace(b'"sign"', b'"\xff\xc3\xa4"'),
    RIGHT[10].replace(b'"check"', '"\u2028\x85"'.encode()),
    RIGHT[1][:-30],
)


def oracle(content: bytes) -> tuple[list[str], list[int]]:
    """The ids of events in the order of their lines and the numbers of broken lines, by parsing each line as JSON."""
    ids: list[str] = []
    broken = []
    for number, text in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
        try:
            event = decode(text)
        except BrokenLine:
            if text.strip():
                broken.append(number)
        else:
            ids += [event.id] if event.id not in ids else []
    return ids, broken


@some
@given(
    st.lists(st.sampled_from([*RIGHT, *RIGHT, *ODD]), max_size=30),
    st.sampled_from([(1,), (600, 200), (4000, 900)]),
    st.booleans(),
)
def test_blocks_say_what_their_lines_say(
    tmp_path_factory, chosen: list[bytes], blocks: tuple[int, ...], ended: bool
) -> None:
    root = tmp_path_factory.mktemp("log")
    place(root).parent.mkdir()
    content = b"\n".join(chosen) + b"\n" * ended
    place(root).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCKS", blocks)
        found = reading.parsed(root)
    ids, broken = oracle(content)
    assert [event.id for event in found.events] == ids
    assert [mark.where for mark in found.broken] == broken
    numbers = [found.number(index) for index in range(len(ids))]
    texts = content.decode("utf-8", "replace").split("\n")
    assert [decode(texts[number - 1]).id for number in numbers] == ids
    assert found.events == [decode(texts[number - 1]) for number in numbers]


def test_lines_that_say_the_same_share_it(tmp_path: Path) -> None:
    place(tmp_path).parent.mkdir()
    place(tmp_path).write_bytes(b"\n".join(RIGHT) + b"\n")
    events = journal.read(tmp_path, NOW + 1e6).events
    assert len(events) == len(RIGHT)
    assert len({id(event.said) for event in events}) == len(OUTCOMES)


def test_reading_leaves_nothing_behind(tmp_path: Path) -> None:
    place(tmp_path).parent.mkdir()
    place(tmp_path).write_bytes(b"\n".join(RIGHT) + b"\n")
    journal.read(tmp_path, NOW + 1e6)
    assert [path.name for path in tmp_path.iterdir()] == [place(tmp_path).parent.name]
