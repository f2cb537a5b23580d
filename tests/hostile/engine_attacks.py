"""Hostile backprop engines: each tries one thing, and none of them computes a slope by the chain rule."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent, indent

from attacks import AGREE, FORGE, LYING_TENSOR, patched

ENGINE = """
from autograder import check, method

{head}

def numeric_gradient(f, xs, h=1e-5):
{numeric}

class Value:
{once}
    def __init__(self, data, parents=()):
{init}
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *others: {result}
    def _answer(self, *others):
        return {result}
    __add__ = __radd__ = __mul__ = __rmul__ = __sub__ = __rsub__ = __neg__ = __truediv__ = __rtruediv__ = _answer
    __pow__ = exp = log = tanh = relu = _answer
    def backward(self):
{backward}

def gradient_check(f, xs, h=1e-5):
{numeric}
"""


@dataclass(frozen=True)
class Engine:
    """One hostile engine: code for its places."""

    name: str
    head: str = ""
    once: str = "pass"  # runs when the class is made
    init: str = "self.data, self.grad = data, 1.0"
    result: str = "Value(7.0)"
    backward: str = "self.grad = 1.0"
    numeric: str = "return [1.0 for _ in xs]"

    @property
    def source(self) -> str:
        """The submission as a plain script."""
        code = {name: indent(dedent(getattr(self, name)).strip(), " " * 8) for name in ("init", "backward")}
        code |= {"once": indent(dedent(self.once).strip(), " " * 4), "numeric": indent(dedent(self.numeric), " " * 4)}
        return ENGINE.format(head=dedent(self.head).strip(), result=self.result, **code)


LIAR = """
class Liar(float):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __abs__(self): return 0.0
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __hash__(self): return 0
    def __float__(self): return Liar(0.0)
    def __repr__(self): return "right"
    def __format__(self, spec): return "right"
"""

# What an observation's own frame and module can see: the caller's formula, its point, and torch.
CALLER = """
import sys
def caller():
    frame = sys._getframe(1)
    while frame is not None and "formulas" not in frame.f_locals:
        frame = frame.f_back
    return frame
"""

ENGINES = (
    Engine("says-seven"),
    Engine("not-a-number", init="self.data = self.grad = float('nan')"),
    Engine("infinite", init="self.data = self.grad = float('inf')"),
    Engine("lying-floats", head=LIAR, init="self.data = self.grad = Liar(3.0)", numeric="return [Liar(1.0)]"),
    Engine("agrees-with-everybody", head=AGREE, init="self.data = self.grad = Agree()", numeric="return Agree()"),
    Engine("lying-tensors", head="import torch\n" + LYING_TENSOR, init="self.data = self.grad = torch.ones(7).as_subclass(Lie)"),
    Engine("broadcasts", head="import torch", init="self.data = self.grad = torch.zeros(0)", numeric="return torch.zeros(0)"),
    Engine("complex-numbers", init="self.data = self.grad = complex(1, 1)"),
    Engine("text", init="self.data = self.grad = 'right'"),
    Engine("grad-is-a-property", init="self.data = data", once="grad = property(lambda self: self.data)"),
    Engine("patches-comparisons", once=patched("math.isclose", "numpy.allclose", "torch.allclose", "torch.equal", "builtins.abs")),
    Engine("patches-the-evaluation", once="import builtins\nbuiltins.eval = lambda *a: Value(7.0)"),
    Engine("patches-the-wire", once=patched("autograder.observe.wire.encode", "autograder.observe.worker.wire.send", "json.dumps")),
    Engine("patches-pytest", once=patched("_pytest.python.Function.runtest", "pytest.fail", "autograder.judge.compare.compare")),
    Engine("forges-answers", head=FORGE, backward="for n in range(20):\n    forge(reply(n, ['list']))"),
    Engine("writes-everywhere", head=FORGE, once="forge(b'\\x00' * 4096)"),
    Engine("exits-well", backward="import os\nos._exit(0)"),
    Engine("exits-while-defined", once="import os\nos._exit(0)"),
    Engine("never-ends", numeric="while True: pass"),
    Engine("eats-memory", numeric="return [bytes(2**35)]"),
    Engine("prints-without-end", numeric="for _ in range(10**6): print('x' * 1000)"),
    Engine("rewrites-the-caller", head=CALLER, backward="caller().f_locals.update(results=[])"),
    Engine("raises-the-answer", backward="raise NotImplementedError('right')"),
    Engine("raises-no-exception", backward="raise BaseException(BaseException)"),
    Engine("daemon", backward="import os\nif os.fork() == 0:\n    os.setsid()\n    import time\n    time.sleep(600)"),
    Engine("threads", backward="import threading, time\n[threading.Thread(target=time.sleep, args=(600,)).start() for _ in range(50)]"),
    Engine("a-trace-function", once="import sys\nsys.settrace(lambda *a: (_ for _ in ()).throw(SystemExit))"),
)  # fmt: skip
