"""From scratch: ready-made things are found under any name, honest code is not accused, and what is needed is kept."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from autograder import curriculum
from autograder.judge.submission import Submission, prepare
from autograder.notebook import percent

ASKED = frozenset({"Tally", "running", "halvings"})


def prepared(source: str, course: Path) -> Submission:
    """A submission of one cell, ready for grading."""
    loaded = curriculum.load(course)
    return prepare(loaded.exercises[0], loaded, percent.cells(textwrap.dedent(source)), ASKED)


OFFENCES = {
    "its-own-name": "import torch\ndef running(v): return torch.cumsum(v, 0)",
    "an-alias": "import torch as t\ndef running(v): return t.cumsum(v, 0)",
    "imported-by-name": "from torch import cumsum\ndef running(v): return cumsum(v, 0)",
    "imported-by-another-name": "from torch import cumsum as c\ndef running(v): return c(v, 0)",
    "imported-inside": "def running(v):\n    from torch import cumsum as c\n    return c(v, 0)",
    "imported-where-it-can-be": "try:\n    from torch import cumsum as c\nexcept ImportError:\n    c = None\ndef running(v): return c(v, 0)",
    "given-a-name": "import torch\nsums = torch.cumsum\ndef running(v): return sums(v, 0)",
    "in-a-helper": "from torch import cumsum as c\ndef help(v): return c(v, 0)\ndef running(v): return help(v)",
    "in-a-helper's-helper": "import torch\ndef a(v): return torch.cumsum(v, 0)\ndef b(v): return a(v)\ndef running(v): return b(v)",
    "in-a-class": "import torch\nclass H:\n    def go(self, v): return torch.cumsum(v, 0)\ndef running(v): return H().go(v)",
    "in-a-default": "import torch\ndef running(v, sums=torch.cumsum): return sums(v, 0)",
    "in-a-lambda": "import torch\nrunning = lambda v: torch.cumsum(v, 0)",
}


@pytest.mark.parametrize("name", OFFENCES)
def test_a_ready_made_thing_is_found(name: str, course: Path) -> None:
    assert prepared(OFFENCES[name], course).offences == {"running": "torch.cumsum"}


DOORS = {
    "a-module-by-a-made-up-name": "def running(v): return __import__('tor' + 'ch').cumsum(v, 0)",
    "importlib": "import importlib as i\ndef running(v): return i.import_module('tor' + 'ch').cumsum(v, 0)",
    "the-table-of-modules": "import sys\ndef running(v): return sys.modules['tor' + 'ch'].cumsum(v, 0)",
    "a-text-that-is-run": "def running(v): return eval('tor' + 'ch.cumsum(v, 0)')",
    "the-caller's-names": "import sys\ndef running(v): return sys._getframe(1).f_globals['tor' + 'ch'].cumsum(v, 0)",
    "a-traceback": "def running(v):\n    try: 1 / 0\n    except Exception as e: return e.__traceback__.tb_frame",
    "in-a-helper": "import inspect\ndef a(): return inspect.stack()\ndef running(v): return a()",
}


@pytest.mark.parametrize("name", DOORS)
def test_a_door_through_which_it_could_come_unseen_is_shut(name: str, course: Path) -> None:
    assert list(prepared(DOORS[name], course).offences) == ["running"]


INNOCENT = {
    "a-recursion-limit": "import sys\ndef running(v):\n    sys.setrecursionlimit(5000)\n    return v",
    "a-function-called-compile": "def compile(v): return v\ndef running(v): return compile(v)",
    "a-module-in-eval-mode": "def running(v):\n    v.model.eval()\n    return v",
    "a-mere-import": "import torch\nfrom torch import cumsum\nimport statistics\ndef running(v): return v",
    "a-comment-and-a-text": "import torch\ndef running(v):\n    '''As torch.cumsum does.'''\n    return v  # not torch.cumsum",
    "a-helper-nobody-uses": "import torch\ndef unused(v): return torch.cumsum(v, 0)\ndef running(v): return v",
    "a-scratch-cell": "import torch\nprint(torch.cumsum(torch.ones(3), 0))\ndef running(v): return v",
    "a-local-variable": "from torch import cumsum as c\ndef running(v):\n    c = v\n    return c",
    "a-parameter": "from torch import cumsum as c\ndef running(v, c=1): return c",
    "a-loop-variable": "from torch import cumsum as c\ndef running(v): return [c for c in v]",
    "a-name-of-ones-own": "from torch import cumsum\ndef cumsum(v): return v\ndef running(v): return cumsum(v)",
    "another's-local-import": "def a(v):\n    from torch import cumsum as s\n    return s(v)\ndef running(v, s=1): return s",
    "an-attribute-of-the-same-name": "def running(v): return v.own.cumsum",
}


@pytest.mark.parametrize("name", INNOCENT)
def test_honest_code_is_not_accused(name: str, course: Path) -> None:
    assert prepared(INNOCENT[name], course).offences == {}


def test_an_offence_is_its_own_parts_alone(course: Path) -> None:
    source = """
    import torch
    class Tally:
        def _sums(self, v): return torch.cumsum(v, 0)
        def add(self, x): return self._sums(x)
        def mean(self): return running(self.values)
    def running(v): return torch.cumsum(v, 0)
    """
    assert prepared(source, course).offences == {"add": "torch.cumsum", "running": "torch.cumsum"}


KEPT = {
    "a-registered-overload": (
        "import functools\n@functools.singledispatch\ndef total(x): ...\n"
        "@total.register\ndef _(x: list): return 1\ndef running(v): return total(v)",
        {"functools", "total", "_", "running"},
    ),
    "a-table-filled-by-decorators": (
        "TABLE = {}\ndef entry(f): TABLE[f.__name__] = f; return f\n@entry\ndef plus(a): return a\n"
        "def running(v): return TABLE['plus'](v)",
        {"TABLE", "entry", "plus", "running"},
    ),
    "classes-that-a-base-knows": (
        "class Base:\n    kinds = []\n    def __init_subclass__(cls): Base.kinds.append(cls)\n"
        "class One(Base): pass\ndef running(v): return Base.kinds",
        {"Base", "One", "running"},
    ),
    "constants-behind-constants": ("a = 1\nb = a + 1\nclass Tally:\n    start = b", {"a", "b", "Tally"}),
    "not-what-only-a-plot-needs": (
        "import seaborn\ndef plot(v): seaborn.heatmap(running(v))\ndef running(v): return v",
        {"running"},
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_an_answer_leans_on_is_run_and_nothing_else(name: str, course: Path) -> None:
    source, wanted = KEPT[name]
    assert {made for s in prepared(source, course).statements for made in s["names"]} == wanted
