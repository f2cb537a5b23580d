"""Wrong words and wrong places: exit code 2, the reason on stderr, what to do, and never a traceback."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

WRONG_WORDS = {
    "no-such-command": (("chek",), "Did you mean 'check'"),
    "no-such-exercise": (("check", "taly"), "did you mean 'tally'"),
    "no-such-part": (("check", "tally", "--part", "men"), "tally has no part 'men'; did you mean mean"),
    "no-path": (("check", "tally", "--submission"), "requires an argument"),
    "no-such-option": (("check", "tally", "--jsn"), "No such option"),
    "no-jobs": (("check", "tally", "--jobs", "0"), "Invalid value for '--jobs'"),
    "no-such-exercise-to-verify": (("verify", "taly"), "did you mean 'tally'"),
    "no-such-exercise-to-watch": (("watch", "taly"), "did you mean 'tally'"),
    "no-such-part-to-hint": (("hint", "tally", "ad"), "tally has no part 'ad'; did you mean add"),
}


@pytest.mark.parametrize("name", WRONG_WORDS)
def test_what_cannot_be_graded_exits_with_two_and_the_reason_on_stderr(name: str, fathom: Any) -> None:
    words, reason = WRONG_WORDS[name]
    said = fathom(*words)
    assert said.code == 2
    assert reason in re.sub(r"[\s│╭╮╰╯─]+", " ", said.err)
    assert "Traceback" not in said.err


def test_a_root_that_is_none_is_said(fathom: Any, tmp_path: Path) -> None:
    said = fathom("check", FATHOM_ROOT=str(tmp_path))
    assert said.code == 2
    assert "Correct the variable or unset it" in said.err


def test_a_file_that_may_not_be_read_or_is_none_is_said(fathom: Any, tmp_path: Path) -> None:
    pipe, loop = tmp_path / "pipe.py", tmp_path / "loop.py"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    said = fathom("check", "tally", "--json", "--submission", pipe, loop, "/dev/zero", "nowhere.py", tmp_path / "\x7f")
    assert said.code == 2
    errors = [submission["error"] for submission in said.document["submissions"]]
    wanted = [
        "is not a regular file",
        "could not be opened",
        "is not a regular file",
        "does not exist",
        "does not exist",
    ]
    assert all(words in error for words, error in zip(wanted, errors, strict=True)), errors
    assert said.err.count("fathom: ") == 5


def test_neither_a_disk_that_refuses_nor_escape_codes_harm_what_the_terminal_shows(
    fathom: Any, own_course: Path, made: Any, tmp_path: Path
) -> None:
    shutil.rmtree(own_course / ".fathom", ignore_errors=True)
    (own_course / ".fathom").write_text("in the way", encoding="utf-8")
    evil = "class Odd(Exception): pass\nraise Odd('\\x1b[2J\\x07 [red]x[/red] \\u202e')"
    named = "def halvings(n):\n    return n.bit_length()"
    for name, source in (("evil", made.halvings(evil)), ("named", named)):
        (tmp_path / f"{name}.py").write_text(made.answers(halvings=source), encoding="utf-8")
    fathom = made.fathom(own_course, fathom.family)
    said = fathom("check", "tally", "--part", "halvings", "--submission", tmp_path / "evil.py", tmp_path / "named.py")
    assert said.code == 1, said.err
    assert "looks like: starts-at-one" in said.out
    assert "[red]x[/red]" in said.out
    assert not set(said.out) & set("\x1b\x07\u202e")


def test_junit_that_cannot_be_written_is_said_before_the_work(fathom: Any, tmp_path: Path) -> None:
    said = fathom("check", "tally", "--json", "--junit", tmp_path / "no" / "x.xml", "--submission", "solutions")
    assert said.code == 2
    assert "--junit" in said.err and "Traceback" not in said.err


def test_a_mistake_of_an_author_is_a_sentence(fathom: Any, made: Any, own_course: Path) -> None:
    toml = own_course / "solutions" / "phase1_foundations" / "tally" / "parts.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + "\n[moan]\ntitle = 'typo'\n", encoding="utf-8")
    said = made.fathom(own_course, fathom.family)("check", "tally", "--submission", "solutions")
    assert said.code == 2
    assert "[moan] is no part of the lesson" in said.err and "Traceback" not in said.err
