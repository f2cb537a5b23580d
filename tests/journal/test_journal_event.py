"""A line of the log: what is written reads back, what is broken is named, reading many at once is exact."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.journal.bulk import Reader
from autograder.journal.event import ASKED, BrokenLine, Event, decode, encode

quick = settings(max_examples=200, deadline=None, derandomize=True, database=None)
ATTEMPT = {
    "digest": "d1",
    "kind": "attempt",
    "exercise": "bigram_lm",
    "source": "watch",
    "seconds": 0.1,
    "points": 2,
    "out_of": 4,
    "parts": {"nll": "passed", "counts": "failed"},
    "bugs": {"counts": "transposed"},
}
NAN_SCORE = {"kind": "unheard-of", "score": float("nan")}
KINDS = [
    ATTEMPT,
    {"kind": "hint", "exercise": "bigram_lm", "part": "nll", "level": 2},
    {"kind": "aha", "file": "2026-01-05-general-aha-123456.md"},
    {"kind": "session", "minutes": 30.0},
    {"kind": "drill", "exercise": "bigram_lm", "run": "01234567", "result": "solved", "minutes": 7.5},
    {"kind": "review", "exercise": "bigram_lm", "run": "01234567", "result": "started", "part": "nll"},
    {"kind": "explanation", "exercise": "bigram_lm", "run": "01234567", "text": "a sign"},
    {"kind": "unheard-of", "exercise": "bigram_lm", "seconds": 71.5, "solved": True},
]


def line_of(event: dict[str, object], at: float = 1772625600.0) -> str:
    return encode(event, "0123456789abcdef", "fedcba9876543210", at).decode("ascii")


def read(line: str) -> Event | str:
    try:
        return decode(line)
    except BrokenLine as error:
        return str(error)


@pytest.mark.parametrize("event", KINDS, ids=lambda event: event["kind"])
def test_every_kind_reads_back(event):
    got = decode(line_of(event))
    assert (got.id, got.after, got.at) == ("0123456789abcdef", "fedcba9876543210", 1772625600.0)
    assert json.loads(line_of(event))["at"] == "2026-03-04T12:00:00.000Z"
    assert got.digest == event.get("digest", "")
    assert got.said == ({key: event[key] for key in ASKED} if event["kind"] == "attempt" else event)


def test_a_line_is_one_line_of_ascii_json_whatever_the_names_are():
    event = {"kind": "hint", "exercise": "é\u2028\r\n\x00", "part": "\ud800🙂", "level": 1}
    line = line_of(event)
    assert line.isascii()
    assert line.count("\n") == 1
    assert json.loads(line)["part"] == decode(line).said["part"] == "\ud800🙂"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"parts": {"nll": "brilliant"}}, "has impossible parts"),
        ({"parts": {"nll": ["passed"]}}, "has impossible parts"),
        ({"bugs": {"nll": None}}, "has impossible bugs"),
        ({"points": -1}, "has impossible points"),
        ({"seconds": True}, "has impossible seconds"),
        ({"digest": ""}, "has no digest"),
        ({"exercise": 3}, "has an impossible exercise"),
        ({"kind": None}, "has no kind"),
        ({"v": 0}, "has no version"),
        ({"v": "1"}, "has no version"),
        ({"v": 7}, "was written by a newer Fathom"),
        ({"id": ""}, "has no id"),
        ({"at": 5}, "has no time"),
        ({"at": "yesterday"}, "has an impossible time"),
        ({"at": "0001-01-01T00:00:00+23:59"}, None),
        ({"at": "2026-01-05T10:00:00"}, "has a time without a zone"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(change, why):
    got = read(json.dumps({**json.loads(line_of(ATTEMPT)), **change}, separators=(",", ":")))
    assert isinstance(got, Event) if why is None else why in got


@pytest.mark.parametrize("field", ["id", "at", "kind", "exercise", "digest", "seconds", "source", "parts", "bugs"])
def test_a_missing_field_is_said(field):
    fields = json.loads(line_of(ATTEMPT))
    del fields[field]
    for separators in ((",", ":"), (", ", ": ")):
        got = read(json.dumps(fields, separators=separators))
        assert isinstance(got, str)
        assert field in got or (field, got) == ("at", "has no time")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("<<<<<<< HEAD\n", "unresolved merge"),
        (">>>>>>> origin/main", "unresolved merge"),
        (line_of(ATTEMPT)[:120], "cut short"),
        ("\x00" * 64, "not a JSON object"),
        ("[1, 2]", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ('{"v":1,"id":' + "9" * 10_000 + "}", "not a JSON object"),
        (line_of(ATTEMPT).strip() * 2, "not a JSON object"),
    ],
    ids=["ours", "theirs", "torn", "zeroes", "list", "deep", "digits", "glued"],
)
def test_what_is_no_event_is_said(line, why):
    assert why in read(line)


def test_an_event_that_would_not_read_back_is_never_written():
    for event in (
        {**ATTEMPT, "parts": {"nll": "fine"}},
        {**ATTEMPT, "seconds": float("nan")},
        NAN_SCORE,
        {"kind": "hint"},
        {},
    ):
        with pytest.raises(ValueError, match=r"has|JSON"):
            encode(event, "0123456789abcdef", "", 0.0)


def test_a_key_that_comes_twice_counts_where_json_counts_it():
    line = line_of(ATTEMPT).rstrip()[:-1] + ',"at":"2020-01-01T00:00:00Z"}'
    assert Reader().events(line) is None
    assert decode(line).at < decode(line_of(ATTEMPT)).at


@quick
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4), st.data())
def test_lines_read_at_once_say_what_each_says(events, data):
    text = "".join(map(line_of, events)).rstrip()
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        new = data.draw(
            st.sampled_from(
                ["", text[start:end] * 2, ',"kind":"hint"', ',"at":"x"', '"', "{", "}", "]", "\\", "\x01", "\n", "},{"]
            )
        )
        text = text[:start] + new + text[end:]
    found = Reader().events(text)
    if found is not None:
        assert found == [decode(line) for line in text.split("\n")]


@pytest.mark.parametrize("event", KINDS, ids=lambda event: event["kind"])
def test_lines_as_they_are_written_are_read_at_once(event):
    text = line_of(event) * 3
    assert Reader().events(text) == [decode(line_of(event))] * 3
