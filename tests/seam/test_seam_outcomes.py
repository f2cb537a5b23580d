"""Whatever a submission does, it gets one of five outcomes, in words that help, and nothing of it is left behind."""

from __future__ import annotations

import os
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

ENDS = {
    "input": ("input('n? ')", "crashed", "input() waits for someone to type"),
    "sys-exit": ("sys.exit(0)", "crashed", "SystemExit: the code asked Python to exit (status 0)"),
    "raise-system-exit": ("raise SystemExit", "crashed", "the code asked Python to exit"),
    "os-exit": ("os._exit(0)", "crashed", "the process ended itself with exit status 0"),
    "segmentation-fault": ("import ctypes\nctypes.string_at(0)", "crashed", "ended by SIGSEGV"),
    "abort": ("os.abort()", "crashed", "ended by SIGABRT"),
    "kills-its-group": ("os.killpg(0, 9)", "crashed", "ended by SIGKILL"),
    "closes-every-descriptor": ("os.closerange(3, 64)\nreturn right", "crashed", "ended itself"),
    "keyboard-interrupt": ("raise KeyboardInterrupt", "crashed", "KeyboardInterrupt"),
    "generator-exit": ("raise GeneratorExit", "crashed", "GeneratorExit"),
    "unreadable-exception": (
        "class Odd(Exception):\n    def __str__(self):\n        raise SystemExit\nraise Odd",
        "crashed",
        "Odd: (its text raises SystemExit)",
    ),
    "exception-of-another-name": ("raise NameError(name=[])", "crashed", "NameError"),
    "code-from-nowhere": (
        "def odd():\n    1 / 0\nodd.__code__ = odd.__code__.replace(co_filename='<x #99999>')\nodd()",
        "crashed",
        "ZeroDivisionError",
    ),
    "endless-loop": ("while True:\n    pass", "timed_out", "no answer within"),
    "deaf-loop": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "timed_out",
        "no answer within",
    ),
    "stops-itself": ("os.kill(os.getpid(), 19)", "timed_out", "no answer within"),
    "20-GB": ("x = bytearray(20 * 10**9)\nreturn right", "crashed", "more memory than a check may use (4 GiB)"),
    "20-GB-of-tensors": ("x = torch.ones(5 * 10**9)\nreturn right", "crashed", "more memory than a check may use"),
    "1-GB-printed": ("for _ in range(1000):\n    os.write(1, bytes(10**6))\nreturn right", "passed", ""),
    "prints-and-is-right": ("print('x' * 10**7)\nprint('\\ud800')\nreturn right", "passed", ""),
    "prints-through-the-buffer": ("sys.stdout.buffer.write(b'x')\nreturn right", "crashed", "buffer"),
    "stderr-and-warnings": (
        "import warnings\nwarnings.warn('old')\nprint('oh', file=sys.stderr)\nos.write(2, b'oh')\nreturn right",
        "passed",
        "",
    ),
    "closed-stdout": ("sys.stdout.close()\nreturn right", "passed", ""),
    "no-stdout": ("sys.stdout = sys.stderr = None\nreturn right", "passed", ""),
    "endless-recursion": ("return halvings(n)", "crashed", "RecursionError: the calls nest too deep"),
    "recursion-through-C": (
        "class A:\n    def __add__(self, other):\n        return self + other\nA() + 1",
        "crashed",
        "the calls nest too deep",
    ),
    "deep-recursion": (
        "def down(k):\n    return 0 if k == 0 else 1 + down(k - 1)\nassert down(9000) == 9000\nreturn right",
        "passed",
        "",
    ),
    "writes-files": (
        "os.makedirs('a', exist_ok=True)\nos.chdir('a')\nopen('b', 'w').write('c')\nreturn right",
        "passed",
        "",
    ),
    "non-ascii-names": ("größe = n\nπ = 3\nreturn größe.bit_length() - 1", "passed", ""),
    "a-set": ("return {1, 2}", "failed", ""),
    "nan": ("return float('nan')", "failed", ""),
    "the-wires-own-tags": ("return {'list': 1, 'tensor': [0, 'float32'], 1: 2, '1': 3}", "failed", ""),
    "a-lone-surrogate": ("return '\\ud800'", "failed", ""),
    "an-object": ("return object()", "failed", ""),
    "a-function": ("return lambda: right", "failed", ""),
    "a-bool": ("return right > 0", "failed", ""),
    "a-list-of-it": ("return [right]", "failed", ""),
    "a-model": ("return torch.nn.Linear(2, 2)", "failed", ""),
    "cyclic": ("x = []\nx.append(x)\nreturn x", "crashed", "what came back cannot be compared"),
    "too-many": ("return list(range(10**6))", "crashed", "what came back cannot be compared"),
    "too-large": ("return torch.zeros(2 * 10**7)", "crashed", "what came back cannot be compared"),
    "a-float-subclass": ("class Odd(float): pass\nreturn Odd(right)", "passed", ""),
    "a-tensor": ("return torch.tensor(right)", "passed", ""),
    "not-written": ("raise NotImplementedError('odd numbers')", "not_started", "`halvings` still raises NotImpl"),
    "not-finished": (
        "while n > 1:\n    n //= 2\nraise NotImplementedError",
        "not_started",
        "`halvings` still raises NotImplementedError",
    ),
    "an-unknown-name": ("return ldexp(n)", "crashed", "NameError: name 'ldexp' is not defined"),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_end_has_its_outcome_and_its_words(name: str, desk: Any, made: Any) -> None:
    body, outcome, words = ENDS[name]
    part = desk.part(made.answers(halvings=made.halvings(body)), "halvings")
    assert part["outcome"] == outcome, part
    assert words in part["message"]
    assert (part["out_of"], len(part["checks"])) == (1, 2)
    if outcome == "crashed" and "the process" not in part["message"] and "cannot be" not in part["message"]:
        assert "halvings, line" in part["checks"][0]["where"]


SECONDS = f"1000.{os.getpid()}"  # so that nobody else's sleepers are counted
LEFT = {
    "a-thread": "import threading\nthreading.Thread(target=time.sleep, args=(1000,)).start()",
    "busy-threads": "import threading\nfor _ in range(3):\n    threading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()",
    "a-child": "import subprocess\nsubprocess.Popen(['sleep', '1000'])",
    "a-child-that-ran-away": "import subprocess\nsubprocess.Popen(['sleep', '1000'], start_new_session=True)",
    "a-child-without-our-environment": f"import subprocess\nsubprocess.Popen(['sleep', '{SECONDS}'], env={{}})",
    "a-daemon": """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(1000)
            os._exit(0)
    """,
    "a-copy-of-the-worker": "os.fork()",
    "a-process-pool": "import multiprocessing as m\nm.get_context('fork').Process(target=time.sleep, args=(1000,)).start()",
    "an-alarm": "import signal\nsignal.alarm(1000)",
}


@pytest.mark.parametrize("name", LEFT)
def test_what_a_submission_leaves_running_ends_with_it(name: str, desk: Any, made: Any) -> None:
    source = made.answers(halvings=made.halvings(textwrap.dedent(LEFT[name]).strip() + "\nreturn right"))
    assert desk.part(source, "halvings")["outcome"] == "passed"
    assert not desk.left()
    if name == "a-child-without-our-environment":
        deadline = time.monotonic() + 10
        while orphans(f"sleep {SECONDS}") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not orphans(f"sleep {SECONDS}")


def orphans(line: str) -> list[Path]:
    """Processes of this command line."""
    wanted = line.replace(" ", "\0").encode() + b"\0"
    return [place for place in Path("/proc").glob("[0-9]*/cmdline") if content(place) == wanted]


def content(place: Path) -> bytes:
    """A file of /proc, empty where its process has just gone."""
    try:
        return place.read_bytes()
    except OSError:
        return b""


def test_every_part_that_does_not_need_the_broken_one_keeps_its_points(desk: Any, made: Any) -> None:
    report = desk.grade(made.answers(halvings=made.halvings("os._exit(0)"), running="def running(values:\n  pass"))
    assert {part["part"]: part["outcome"] for part in report["parts"]} == {
        "add": "passed",
        "mean": "passed",
        "running": "crashed",
        "halvings": "crashed",
    }
    (running,) = (part for part in report["parts"] if part["part"] == "running")
    assert running["message"].startswith("cell running: ") and "nothing in this cell is graded" in running["message"]


def test_two_kills_end_the_part_and_the_next_part_starts_afresh(desk: Any, made: Any) -> None:
    began = time.monotonic()
    report = desk.grade(made.answers(halvings=made.halvings("while True: pass")), "halvings", "add")
    assert [part["outcome"] for part in report["parts"]] == ["passed", "timed_out"]
    assert [check["outcome"] for check in report["parts"][1]["checks"]] == ["timed_out", "timed_out"]
    assert time.monotonic() - began < 10


def test_an_answer_that_comes_late_is_not_taken_for_the_next(desk: Any, made: Any) -> None:
    # n = 1 is asked second, while the first answer, 0, would arrive: what the second one is about as well.
    late = "if n > 1:\n    time.sleep(0.8)\n    return 0\nreturn 5"
    part = desk.part(made.answers(halvings=made.halvings(late)), "halvings")
    assert [check["outcome"] for check in part["checks"]] == ["timed_out", "failed"]
    assert part["checks"][1]["got"] == "5"


def test_state_kept_between_calls_costs_nothing_and_is_said(desk: Any, made: Any) -> None:
    body = "seen.append(n)\nreturn right if len(seen) == 1 else -1"
    part = desk.part(made.answers("seen = []", halvings=made.halvings(body)), "halvings")
    assert part["outcome"] == "passed"
    assert "something is kept between calls" in part["message"]


def test_a_scratch_name_is_named_with_the_cell_that_makes_it(desk: Any, made: Any) -> None:
    top = "table = dict((i, i.bit_length() - 1) for i in range(3000))"
    part = desk.part(made.answers(top, halvings="def halvings(n):\n    return table[n]"), "halvings")
    assert part["outcome"] == "crashed"
    assert "`table` is made in a scratch cell (cell 2); pass it in" in part["message"]


def test_an_import_from_the_future_holds_for_all_that_comes_after_it(desk: Any, made: Any) -> None:
    source = """
        @dataclass
        class Half:
            n: int

            def twice(self, other: Half) -> Later: ...

        class Later: ...

        def halvings(n: Later):
            return Half(n).n.bit_length() - 1
        """
    top = "from __future__ import annotations\nfrom dataclasses import dataclass"
    assert desk.part(made.answers(top, halvings=source), "halvings")["outcome"] == "passed"


def test_a_table_beside_an_answer_is_part_of_it(desk: Any, made: Any) -> None:
    source = "table = {n: n.bit_length() - 1 for n in range(1, 3000)}\n\ndef halvings(n):\n    return table[n]"
    assert desk.part(made.answers(halvings=source), "halvings")["outcome"] == "passed"


def test_blank_parts_wait_for_what_they_need(desk: Any, made: Any) -> None:
    blank = "class Tally:\n    def __init__(self):\n        self.total = 0.0\n\n    def add(self, x):\n        raise NotImplementedError"
    parts = {part["part"]: part for part in desk.grade(made.answers(tally=blank))["parts"]}
    assert (parts["add"]["outcome"], parts["add"]["message"]) == ("not_started", "still to be written")
    assert (parts["mean"]["outcome"], parts["mean"]["message"]) == ("not_started", "waits for add")
    assert parts["halvings"]["outcome"] == "passed"


def test_an_exit_among_the_definitions_is_told_to_every_part(desk: Any, made: Any) -> None:
    # A definition runs where something needs it only.
    report = desk.grade(made.answers(halvings="class Odd:\n    os._exit(3)\n\ndef halvings(n):\n    return Odd"))
    assert {part["outcome"] for part in report["parts"]} == {"crashed"}
    assert (
        "while the definitions were run: the process ended itself with exit status 3" in report["parts"][0]["message"]
    )


def test_a_definition_that_fails_is_told_where_it_is_missed(desk: Any, made: Any) -> None:
    source = made.answers("import no_such_module\nclass Odd:\n    raise ValueError('no')", halvings="halvings = Odd")
    report = desk.grade(source)
    parts = {part["part"]: part for part in report["parts"]}
    assert parts["add"]["outcome"] == "passed"
    assert parts["halvings"]["outcome"] == "crashed"
    assert "ValueError: no" in parts["halvings"]["message"]
    assert any("ValueError: no" in note for note in report["notes"])


SHADOWS = """
    __name__ = "elsewhere"
    print = len
    learner = expect = probe = 3
    _find = None

    class load:
        pass

    def observe(*anything):
        return 0

    from autograder import check, hint, aha, look
    import autograder
    import autograder as again
    from autograder.judge import part
"""


def test_names_of_ours_are_free_for_the_taking(desk: Any, made: Any) -> None:
    uses = "assert load and observe and print and learner and autograder and again\nreturn right"
    report = desk.grade(made.answers(SHADOWS, halvings=made.halvings(uses)))
    assert [part["outcome"] for part in report["parts"]] == ["passed"] * 4


def test_a_module_overwritten_is_the_submissions_own_trouble(desk: Any, made: Any) -> None:
    report = desk.grade(made.answers("torch = None"))
    parts = {part["part"]: part for part in report["parts"]}
    assert parts["running"]["outcome"] == "crashed"
    assert "'NoneType' object has no attribute 'stack'" in parts["running"]["message"]
    assert parts["halvings"]["outcome"] == "passed"
