"""Aha entries: whatever was written comes back as it was, and every file that is none is named."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from datetime import date, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autograder.journal import ahas
from autograder.journal.ahas import AhaRefused, EmptyAha, LongAha, UnsavedAha, read_all, write
from autograder.journal.event import Event
from autograder.journal.story import Story

NOW = datetime(2026, 3, 4, 23, 30)
NASTY = [
    "plain words",
    "---\nexercise: other\n---\nfront matter of its own",
    "...\n---\n...",
    "# Heading\n\n```python\nx = {'a': 1}\n```\n\n| a | b |\n|---|---|\n\n$\\sum_i x_i$ [link](https://example.org)",
    "🙂🧠 भारत ٣ \u202eright to left\u202c",
    "\x00\x07\x1b[31mred\x1b[0m\x7f\x85",
    "key: value: [broken, {yaml: *anchor} & !tag | > % @ `",
    "\ttabs \r\n and \r carriage returns \r\n",
    "\n\n  leading and trailing blank lines  \n\n\n",
    "{{ template }} <script>alert(1)</script> {% raw %}",
    "\ufeffbyte order mark",
    "\u2028line\u2029separators\u0085\x0b\x0c",
]


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_a_text_comes_back_as_it_was(tmp_path, text):
    write(tmp_path, text, "backprop_engine", "mul", now=NOW)
    found = read_all(tmp_path)
    assert found.broken == ()
    assert [entry.text for entry in found.entries] == [text]


def test_100_kb_of_anything_is_kept_whole(tmp_path):
    for text in ("x" * 102_400, "🙂" * 102_400, "line\n" * 20_480):
        path = write(tmp_path, text, now=NOW)
        assert path.stat().st_size > 102_400
        assert len(path.name) < 150
    assert sorted(len(entry.text) for entry in read_all(tmp_path).entries) == [102_400] * 3


def test_what_is_too_long_is_refused_with_the_way_to_keep_it(tmp_path):
    text = "word " * 200_001
    with pytest.raises(LongAha) as caught:
        write(tmp_path, text, "gpt", "block", now=NOW)
    message = str(caught.value)
    assert not list(tmp_path.rglob("*.md"))
    name = message.split("progress_log/")[1].split()[0]
    (tmp_path / "progress_log").mkdir()
    (tmp_path / "progress_log" / name).write_text(message[message.index("---\n") :] + text)
    (entry,) = read_all(tmp_path).entries
    assert (entry.text, entry.exercise, entry.part, entry.date) == (text, "gpt", "block", date(2026, 3, 4))


@pytest.mark.parametrize("text", ["", " ", "\n\t \r\n", "\x00\x1b", "\u200b\u2060", "\udc80", "\u3000"])
def test_nothing_to_read_is_refused_with_an_example(tmp_path, text):
    with pytest.raises(EmptyAha, match="needs a sentence"):
        write(tmp_path, text)
    assert not list(tmp_path.iterdir())


def test_lone_surrogates_are_spelt_out_and_nothing_else_changes(tmp_path):
    write(tmp_path, "caf\udce9 \ud83d ok 🙂", "\ud800", "part\udfff", now=NOW)
    (entry,) = read_all(tmp_path).entries
    assert (entry.text, entry.exercise, entry.part) == ("caf\\udce9 \\ud83d ok 🙂", "\\ud800", "part\\udfff")


def test_the_name_of_the_file_says_what_is_inside(tmp_path):
    names = [
        write(tmp_path, text, exercise, now=NOW).name.rpartition("-")[0]
        for text, exercise in (
            ("Both *paths* lead back: Gradients añadir up, always, and more words", "backprop_engine"),
            ("🙂", "backprop_engine"),
            ("数学", None),
            ("../../../etc/passwd", "../../home\x00/x"),
        )
    ]
    assert names == [
        "2026-03-04-backprop_engine-both-paths-lead-back-gradients-anadir",
        "2026-03-04-backprop_engine-aha",
        "2026-03-04-general-aha",
        "2026-03-04-home-x-etc-passwd",
    ]


def test_no_entry_overwrites_another(tmp_path, monkeypatch):
    monkeypatch.setattr(ahas.os, "urandom", bytes)
    first = write(tmp_path, "the same words", now=NOW)
    before = first.read_bytes()
    with pytest.raises(UnsavedAha, match="File exists"):
        write(tmp_path, "the same words!", now=NOW)
    assert first.read_bytes() == before
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_a_file_system_without_links_keeps_entries_too(tmp_path, monkeypatch):
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(ahas.os, "link", no_links)
    monkeypatch.setattr(ahas.os, "urandom", bytes)
    path = write(tmp_path, "kept", now=NOW)
    with pytest.raises(UnsavedAha, match="exists"):
        write(tmp_path, "kept", now=NOW)
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_disk_that_refuses_leaves_no_half_entry(tmp_path, monkeypatch, call):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ahas.os, call, refuse)
    if call == "link":
        monkeypatch.setattr(ahas.os, "replace", refuse)
    with pytest.raises(UnsavedAha, match=r"No space left on device.*keep the text"):
        write(tmp_path, "text", now=NOW)
    assert not list((tmp_path / "progress_log").iterdir())


def test_the_front_matter_is_what_other_tools_read(tmp_path):
    event = Event("00ff00ff00ff00ff", "", 0.0, "d", {"kind": "attempt"})
    numeric = event._replace(id="1234567890123456")
    behind = Story("gpt", "block", event, event, numeric, "post-norm", 3, 12.4)
    path = write(tmp_path, "Text.", "gpt", "block", behind, NOW)
    front = path.read_text().split("---\n")[1]
    assert yaml.safe_load(front) == {
        "exercise": "gpt",
        "part": "block",
        "date": date(2026, 3, 4),
        "minutes": 12,
        "bug": "post-norm",
        "attempts": 3,
        "failing": "00ff00ff00ff00ff",
        "passing": "1234567890123456",
    }
    assert list(yaml.safe_load(front))[:5] == ["exercise", "part", "date", "minutes", "bug"]
    (entry,) = read_all(tmp_path).entries
    assert (entry.failing, entry.passing) == (event.id, numeric.id)


WORDS = (
    st.none() | st.text(max_size=30) | st.sampled_from([*NASTY, "null", "no", "1e3", "2026-01-01", "~", "-", "0x1F"])
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(text=st.text() | st.sampled_from(NASTY), exercise=WORDS, part=WORDS, bug=WORDS, minutes=st.floats(0, 1e6))
@example(text="a", exercise="a\n---\nb", part="---", bug="\n...\n", minutes=0.0)
def test_whatever_is_written_is_read_back(text, exercise, part, bug, minutes):
    folder = Path(tempfile.mkdtemp())
    try:
        behind = Story(exercise or "", part or "", bug=bug, attempts=2, minutes=minutes)
        write(folder, text, exercise, part, behind, NOW)
    except EmptyAha:
        return
    else:
        found = read_all(folder)
        assert found.broken == ()
        (entry,) = found.entries
        assert (entry.text, entry.exercise, entry.part, entry.bug) == (text, exercise, part, bug)
        assert (entry.minutes, entry.attempts, entry.date) == (round(minutes), 2, NOW.date())
    finally:
        shutil.rmtree(folder)


# Files that were written by hand, or by nobody


def put(root: Path, name: str, content: str | bytes) -> None:
    folder = root / "progress_log"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "no front matter"),
        ("just a thought", "no front matter"),
        ("---\nexercise: gpt\nnever closed", "no front matter"),
        ("---\n---\ntext", "without fields"),
        ("---\n- a list\n---\ntext", "without fields"),
        ("---\nexercise: [\n---\ntext", "not YAML"),
        ("---\nexercise: gpt\n\tpart: x\n---\ntext", "not YAML (line 3)"),
        ("---\na: &x [*x]\nexercise: !!python/object:os.system x\n---\ntext", "not YAML"),
        ("---\nexercise: gpt\ndate: 2026-13-77\n---\ntext", "not YAML"),
        ("---\nexercise: gpt\ndate: soon\n---\ntext", "no date"),
        ("---\nexercise: gpt\n---\ntext", "no date"),
        ("---\nexercise: gpt\ndate: 2026-01-05\nminutes: many\n---\ntext", "minutes"),
        ("---\nexercise: gpt\ndate: 2026-01-05\nminutes: .nan\n---\ntext", "minutes"),
        ("---\nexercise: gpt\ndate: 2026-01-05\n---\n \n", "is empty"),
        ("---\nexercise: {a: 1}\ndate: 2026-01-05\n---\ntext", "impossible exercise"),
        ("---\na: " + "[" * 900 + "\n---\ntext", "not YAML"),
        (b"---\nexercise: gpt\n---\n\xff\xfe", "not UTF-8"),
        ("---\na: " + "[" * 50_000 + "\n---\ntext", "not YAML"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_hides_no_other(tmp_path, content, why):
    write(tmp_path, "good", now=NOW)
    put(tmp_path, "by-hand.md", content)
    found = read_all(tmp_path)
    assert [entry.text for entry in found.entries] == ["good"]
    (mark,) = found.broken
    assert mark.where == "by-hand.md"
    assert why in mark.reason


def test_what_people_write_by_hand_is_read(tmp_path):
    put(tmp_path, "2026-01-05-mine.md", "\ufeff---\r\nexercise: 15\r\npart: block\r\n---\r\n\r\nWindows text.\r\n")
    put(tmp_path, "other.md", "---\nexercise: gpt\ndate: 2026-01-04T10:00:00Z\nbug:\nmood: good\n---\nText\n---\nmore")
    put(tmp_path, "README.md", "what this folder is")
    put(tmp_path, ".draft.md", "")
    put(tmp_path, "notes.txt", "")
    found = read_all(tmp_path)
    assert found.broken == ()
    assert [(entry.exercise, entry.text) for entry in found.entries] == [
        ("gpt", "Text\n---\nmore"),
        ("15", "Windows text."),
    ]


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "progress_log" / "folder.md").mkdir(parents=True)
    (tmp_path / "progress_log" / "gone.md").symlink_to(tmp_path / "nowhere")
    assert [mark.where for mark in read_all(tmp_path).broken] == ["folder.md", "gone.md"]


def test_no_folder_is_no_entries(tmp_path):
    assert read_all(tmp_path) == ahas.Ahas()
    (tmp_path / "progress_log").write_text("")
    assert read_all(tmp_path).entries == ()


def test_all_refusals_are_of_one_kind():
    assert all(issubclass(kind, AhaRefused) for kind in (EmptyAha, LongAha, UnsavedAha))
