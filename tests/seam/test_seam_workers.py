"""The workers themselves: late and doubled answers, odd values, one start for every call, and ends that leave nobody."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from seam_asking import load, look

from autograder.judge import observation
from autograder.judge.grading import Check, Grading
from autograder.observe import client
from autograder.observe.client import Worker, Zygote
from autograder.observe.wire import Opaque


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """A zygote of our own, shared by the tests that leave it alive."""
    with Zygote() as found:
        yield found


@pytest.fixture
def worker(zygote: Zygote) -> Iterator[Worker]:
    """A fresh worker with nothing loaded."""
    found = zygote.worker()
    yield found
    found.close()


def test_a_late_answer_is_never_taken_for_the_next(worker: Worker) -> None:
    load(worker, "time.sleep(args[0])\nreturn args[0]")
    assert look(worker, 0.7, seconds=0.2).kind == "late"
    time.sleep(0.8)
    assert look(worker, 0.0).kind == "died"


def test_a_second_answer_to_one_question_is_not_taken_for_the_next(worker: Worker) -> None:
    load(worker, "os.fork()\nreturn args[0]")
    assert look(worker, 1).value == 1
    time.sleep(0.2)
    second = look(worker, 2)
    assert second.kind == "died"
    assert "another question" in second.message


def test_an_answer_to_another_question_is_no_answer(worker: Worker) -> None:
    # A message of the right form, written by the submission itself: the number gives it away.
    forged = (
        "from autograder.observe import wire\nimport socket\n"
        "for number in range(3, 64):\n"
        "    try:\n"
        "        wire.send(socket.socket(fileno=os.dup(number)), {'n': 1000, 'value': 7})\n"
        "    except Exception:\n"
        "        continue\n"
        "time.sleep(60)"
    )
    load(worker, forged)
    answer = look(worker, seconds=20.0)
    assert answer.kind == "died"
    assert "another question" in answer.message


def test_bytes_that_are_no_message_are_the_submissions_crash(worker: Worker) -> None:
    noise = (
        "for number in range(3, 64):\n"
        "    try:\n"
        "        os.write(number, bytes(7) + b'\\x04' + b'noise and more noise')\n"
        "    except OSError:\n"
        "        continue\n"
        "time.sleep(60)"
    )
    load(worker, noise)
    answer = look(worker, seconds=20.0)
    assert answer.kind == "died"
    assert "malformed" in answer.message


def test_a_message_that_never_ends_is_late(worker: Worker) -> None:
    drip = (
        "for number in range(3, 64):\n"
        "    try:\n"
        "        os.write(number, bytes(6) + b'\\x10\\x00')\n"
        "    except OSError:\n"
        "        continue\n"
        "time.sleep(60)"
    )
    load(worker, drip)
    assert look(worker, seconds=0.5).kind == "late"


def test_a_request_to_a_worker_that_does_not_read_is_late(worker: Worker) -> None:
    # The worker stops itself between two questions; the second is larger than any socket's buffer.
    load(worker, "if os.fork() == 0:\n    time.sleep(0.2)\n    os.kill(os.getppid(), signal.SIGSTOP)\n    os._exit(0)")
    assert look(worker).kind == "value"
    time.sleep(0.5)
    assert look(worker, np.zeros(2**21), seconds=0.5).kind == "late"


def test_a_question_that_cannot_travel_is_the_checks_fault(worker: Worker) -> None:
    load(worker, "return 1")
    with pytest.raises(ValueError, match="what the check hands to its observation cannot be sent"):
        look(worker, list(range(10**6)))


ODD: dict[str, tuple[str, Any]] = {
    "tied-weights": (
        "a, b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)\nb.weight = a.weight\n"
        "return {k: v.shape for k, v in torch.nn.Sequential(a, b).state_dict().items()}",
        {"0.weight": (2, 2), "0.bias": (2,), "1.weight": (2, 2), "1.bias": (2,)},
    ),
    "one-tensor-twice": ("x = torch.ones(2)\nreturn [x, x, x[:1]]", [torch.ones(2), torch.ones(2), torch.ones(1)]),
    "int-and-text-keys": ("return {1: 'a', '1': 'b', (1, '1'): 'c'}", {1: "a", "1": "b", (1, "1"): "c"}),
    "tags-of-the-wire": (
        "return {'list': ['tensor', 0, 'float32'], 'dict': [['null']], 'n': 5, 'value': 6}",
        {"list": ["tensor", 0, "float32"], "dict": [["null"]], "n": 5, "value": 6},
    ),
    "half-characters": ("return ['\\ud83d', '\\ude00', '\\ud83d' + '\\ude00']", ["\ud83d", "\ude00", "\ud83d\ude00"]),
    "large-and-small": ("return [2**200, -2**63, 5e-324, -0.0]", [2**200, -(2**63), 5e-324, -0.0]),
    "kinds": ("return (1, 1.0, True, None, b'1', '1')", (1, 1.0, True, None, b"1", "1")),
    "with-grad": ("return torch.ones(2, requires_grad=True) * 2", torch.full((2,), 2.0)),
    "numpy": ("return np.float32(1.5), np.arange(3)[::-1]", (np.float32(1.5), np.array([2, 1, 0]))),
}


def same(got: Any, want: Any) -> bool:
    """Equal in value and in kind, all the way down."""
    if isinstance(want, torch.Tensor | np.ndarray):
        return type(got) is type(want) and got.shape == want.shape and bool(np.all(np.asarray(got == want)))
    if isinstance(want, np.generic):
        return bool(got == want)
    if isinstance(want, dict):
        return list(got) == list(want) and all(same(got[key], want[key]) for key in want)
    if isinstance(want, list | tuple):
        return len(got) == len(want) and all(map(same, got, want))
    return type(got) is type(want) and got == want


@pytest.mark.parametrize("name", ODD)
def test_plain_values_come_back_as_they_are(name: str, worker: Worker) -> None:
    body, want = ODD[name]
    load(worker, body)
    got = look(worker).value
    assert same(got, want), got


def test_what_is_no_plain_data_comes_back_described(worker: Worker) -> None:
    load(worker, "return {3, 1, 2}, float('nan'), lambda: 0, iter(()), {float('nan'): 1}, torch.nn.ReLU()")
    numbers, nan, function, iterator, odd, module = look(worker).value
    assert numbers == Opaque("set", "{1, 2, 3}")
    assert math.isnan(nan)
    assert [value.type for value in (function, iterator, module)] == ["function", "tuple_iterator", "ReLU"]
    assert isinstance(odd, Opaque)


def test_an_exception_comes_back_with_its_bases(worker: Worker) -> None:
    load(worker, "raise Odd('said')", top="class Odd(KeyError, RuntimeError): pass")
    raised = look(worker).raised
    assert raised is not None
    assert (raised.type, raised.message, raised.where) == ("Odd", "'said'", "answer, line 2: raise Odd('said')")
    assert {"KeyError", "LookupError", "RuntimeError"} <= set(raised.bases)


def test_of_a_gigabyte_that_is_printed_the_beginning_comes_back(worker: Worker) -> None:
    load(worker, "for _ in range(100):\n    print('x' * 10**7)\nprint('later', file=sys.stderr)\nreturn 1")
    answer = look(worker)
    assert (answer.value, answer.printed) == (1, "x" * 4000)
    assert look(worker).printed == "x" * 4000


def test_every_call_starts_alike(worker: Worker) -> None:
    changes = (
        "import random, warnings, math\n"
        "seen = [str(torch.ones(1).device), str(torch.ones(1).dtype), torch.is_grad_enabled()]\n"
        "seen += [torch.rand(1).item(), random.random(), np.random.rand()]\n"
        "seen += [sys.getrecursionlimit(), np.geterr()['divide'], len(warnings.filters)]\n"
        "torch.set_default_dtype(torch.float64), torch.set_grad_enabled(False), torch.set_default_device('meta')\n"
        "torch.manual_seed(5), random.seed(5), np.random.seed(5)\n"
        "np.seterr(all='raise'), warnings.simplefilter('error'), sys.setrecursionlimit(80)\n"
        "return seen"
    )
    load(worker, changes)
    first = look(worker)
    assert first.value[:3] == ["cpu", "torch.float32", True]
    assert look(worker).value == first.value


def test_a_worker_that_ends_says_how(zygote: Zygote) -> None:
    for body, words in (("os._exit(3)", "exit status 3"), ("os.kill(os.getpid(), 9)", "SIGKILL")):
        worker = zygote.worker()
        load(worker, body)
        answer = look(worker)
        assert answer.kind == "died"
        assert words in answer.message


def test_definitions_that_do_not_end_are_tried_once(zygote: Zygote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.Worker.load, "__defaults__", (0.3,))
    statement = {"source": "class Odd:\n    while True: pass", "names": ["Odd"], "cell": "c", "line": 1}
    grading = Grading(zygote, [statement], {}, {}, {})
    began = time.monotonic()
    for _ in range(20):
        grading.begin_part("tally", ())
        answer = grading.ask(None, (), {}, 5.0)  # type: ignore[arg-type]
        assert (answer.kind, answer.message) == (
            "late",
            "while the definitions were run: no answer within 0.3 seconds",
        )
    assert time.monotonic() - began < 5


@observation
def answer(learner):  # type: ignore[no-untyped-def]
    return learner.answer()


def test_a_failure_is_confirmed_once_for_a_part_and_what_builds_on_it(zygote: Zygote) -> None:
    def check(recorder: Check) -> None:
        recorder.expect(recorder.observe(answer), 42, "no")

    statement = {"source": "def answer(): return 41", "names": ["answer"], "cell": "c", "line": 1}
    grading = Grading(zygote, [statement], {}, {}, {})
    workers = []
    for part, needs in (("first", ()), ("built on it", ("first",)), ("and on that", ("built on it",)), ("alone", ())):
        grading.begin_part(part, needs)
        for name in ("one", "two"):
            assert grading.run(name, part, check).outcome == "failed"
        workers.append(grading.worker)
    grading.retire()
    assert workers[0] is workers[1] is workers[2] is not workers[3]


def test_a_worker_that_ends_leaves_no_files(zygote: Zygote) -> None:
    worker = zygote.worker()
    load(worker, "open('file', 'w').write('x')\nreturn os.getcwd()")
    folder = Path(look(worker).value)
    assert folder.parent.name.startswith(f"fathom-{zygote.mark}-")
    worker.close()
    deadline = time.monotonic() + 20
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not folder.exists()


def test_graded_code_may_build_an_optimizer_and_a_model_without_numbers(worker: Worker) -> None:
    # Both make torch load its compiler, which asks `inspect` for the file of every module that there is.
    load(
        worker,
        "import autograder\n"
        "w = torch.nn.Parameter(torch.ones(2))\n"
        "optimizer = torch.optim.LBFGS([w])\n"
        "with torch.device('meta'):\n"
        "    model = torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 9))\n"
        "torch.nn.init.normal_(model[0].weight, 0.0, 0.02)\n"
        "return [len(optimizer.param_groups), sum(p.numel() for p in model.parameters())]",
    )
    answer = look(worker, seconds=60.0)
    assert answer.value == [1, 36 + 8 + 45]
