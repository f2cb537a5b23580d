"""Hostile submissions for the tally exercise: each tries one thing, and none of its answers is right by itself."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

import numpy as np


@dataclass(frozen=True)
class Attack:
    """One hostile script: code for the class body, and for each of the stubs; what it may earn all the same."""

    name: str
    once: str = ""  # runs when the class is made
    add: str = "return self"
    mean: str = "return 123.0"
    running: str = "return values + 1"
    halvings: str = "return -1"
    head: str = ""  # further definitions
    earns: int = 0

    @property
    def source(self) -> str:
        """The submission as a plain script."""
        body = [
            "import math",
            "import torch",
            "from autograder import check, method",
            dedent(self.head).strip(),
            "class Tally:",
            block(self.once or "pass"),
            "    def __init__(self):",
            "        self.total = 0.0",
            "        self.count = 0",
            "    def add(self, x):",
            block(self.add, 8),
            "@method(Tally)",
            "def mean(self):",
            block(self.mean),
            "def running(values):",
            block(self.running),
            "def halvings(n):",
            block(self.halvings),
        ]
        return "\n".join(line for line in body if line) + "\n"


def block(code: str, depth: int = 4) -> str:
    """Code as an indented block."""
    return indent(dedent(code).strip(), " " * depth)


PATCH = "import importlib\nfor name in {names!r}:\n    module, _, attribute = name.rpartition('.')\n"
PATCH += "    try:\n        setattr(importlib.import_module(module), attribute, lambda *a, **k: True)\n"
PATCH += "    except Exception:\n        pass"


def patched(*names: str) -> str:
    """Code that replaces library functions by ones that say yes."""
    return PATCH.format(names=names)


LYING_TENSOR = """
class Lie(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True
    shape = property(lambda self: torch.Size([7]))
    def __eq__(self, other):
        return True
    def detach(self):
        return torch.zeros(7)
    def numpy(self, *a, **k):
        raise SystemExit
"""

AGREE = """
class Agree:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __float__(self): return 1.0
    def __index__(self): return 1
    def __array__(self, *a, **k): raise SystemExit
    def __len__(self): return 7
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __reduce__(self): return (eval, ("__import__('os').system('touch /tmp/pwned')",))
    def __repr__(self): return "6.5"
"""

FORGE = """
def forge(raw):
    import os
    for number in range(256):
        for _ in range(3):
            try:
                os.write(number, raw)
            except OSError:
                break

def frame(value):
    import json
    text = json.dumps(value).encode()
    body = len(text).to_bytes(4, "big") + text
    return len(body).to_bytes(8, "big") + body

def reply(number, node):
    pairs = [["n", ["int", number]], ["printed", ["str", ""]], ["value", node]]
    return frame(["dict", *[[["str", key], item] for key, item in pairs]])
"""

STEAL = """
def steal(place):
    import types
    code = open(place).read()
    found = types.ModuleType("found")
    exec(compile(code.replace('check("', 'str("'), place, "exec"), found.__dict__)
    return found
"""


def stolen(place: Path) -> str:
    """Answer with what another file would answer."""
    return f"return steal({str(place)!r}).running(values)"


def written_down() -> list[float]:
    """The right answer to the inputs that the check of `running` draws in public, where the run's seed is 0."""
    rng = np.random.default_rng([0, zlib.crc32(b"test_running_sums_match_cumsum")])
    found: list[float] = np.cumsum(rng.uniform(1.0, 2.0, 7).astype(np.float32)).tolist()
    return found


# Right, and only reached where an attack has worked.
ANSWER = "return torch.from_numpy(__import__('numpy').cumsum(values.numpy()))"


def attacks(root: Path, neighbour: Path, canary: Path, port: int) -> Iterator[Attack]:
    """Every attack, told where the solutions, a neighbour's work, a file to touch and a listening port are."""
    solution = root / "solutions/phase1_foundations/tally/exercise.py"
    checks = root / "autograder/checks/phase1_foundations/test_tally.py"
    touch = f"open({str(canary)!r}, 'w').write('harm')"

    yield Attack("exit-at-once", once="import os\nos._exit(0)")
    yield Attack("exit-in-a-call", running="import os\nos._exit(0)")
    yield Attack("sys-exit-at-import", once="import sys\nsys.exit(0)")
    yield Attack("system-exit-in-a-call", running="raise SystemExit(0)", halvings="raise KeyboardInterrupt")
    yield Attack("segfault", once="import ctypes\nctypes.string_at(0)")
    yield Attack(
        "kills-everything", once="import os\nos.kill(-1, 9)", running="import os\nos.kill(1, 9)\nos.killpg(0, 9)"
    )
    yield Attack("group-exception", running="raise BaseExceptionGroup('x', [SystemExit(), KeyboardInterrupt()])")

    yield Attack("patched-numpy", once=patched("numpy.allclose", "numpy.array_equal", "numpy.isclose", "numpy.abs"))
    yield Attack("patched-torch", once=patched("torch.equal", "torch.allclose", "torch.Tensor.__eq__", "torch.cumsum"))
    yield Attack("patched-json", once=patched("json.dumps", "json.loads", "json.JSONEncoder.encode"))
    yield Attack("patched-safetensors", once=patched("safetensors.serialize", "safetensors.deserialize"))
    yield Attack("patched-pytest", once=patched("pytest.fail", "pytest.skip", "_pytest.runner.runtestprotocol"))
    yield Attack(
        "patched-builtins", once=patched("builtins.abs", "builtins.isinstance", "builtins.len", "builtins.type")
    )
    yield Attack("patched-judge", once=patched("autograder.judge.compare.compare", "autograder.judge.numbers._wrong"))
    yield Attack("patched-worker", once=patched("autograder.observe.worker.answer", "autograder.observe.wire.send"))
    yield Attack(
        "patched-limits", once=patched("autograder.observe.limits.restrict", "autograder.observe.worker.reset")
    )

    yield Attack(
        "equal-to-everything", head=AGREE, mean="return Agree()", running="return Agree()", halvings="return Agree()"
    )
    yield Attack("equal-total", head=AGREE, add="self.total = Agree()\nreturn self")
    yield Attack("lying-tensor", head=LYING_TENSOR, running="return torch.zeros(7).as_subclass(Lie)")
    yield Attack("lying-float", head="class F(float):\n    __eq__ = lambda a, b: True\n    __sub__ = lambda a, b: 0.0",
                 mean="return F(9)", halvings="return F(3)")  # fmt: skip
    yield Attack("lying-int", head="class I(int):\n    __eq__ = lambda a, b: True\n    __index__ = lambda a: 0",
                 halvings="return I(3)")  # fmt: skip
    yield Attack(
        "array-protocol",
        running="class A:\n    __array_interface__ = {'shape': (7,), 'typestr': '<f4', 'data': (0, False)}\nreturn A()",
    )
    yield Attack("object-array", running="import numpy as np\nreturn np.array([object()] * 7, dtype=object)")
    yield Attack("not-a-number", mean="return math.nan", running="return values * math.nan", halvings="return math.nan")
    yield Attack("infinite", mean="return math.inf", running="return values * math.inf", halvings="return -0.0")
    yield Attack("minus-zero", mean="return -0.0", running="return values * -0.0", halvings="return -1", earns=0)
    yield Attack("dtype-tricks", mean="return True", running="return values.bool()", halvings="return complex(0, 1)")
    yield Attack("meta-tensor", running="return torch.empty(7, device='meta')", halvings="return torch.tensor([])")
    yield Attack("expanded-to-any-size", running="return torch.zeros(1).expand(10**12)")
    yield Attack("huge-number", halvings="return 10 ** 1_000_000", mean="return 10 ** 400")
    yield Attack("deep-list", running="x = []\nfor _ in range(100_000):\n    x = [x]\nreturn x")
    yield Attack("list-in-itself", running="x = []\nx.append(x)\nreturn x", mean="d = {}\nd['d'] = d\nreturn d")
    yield Attack("many-parts", running="return [[] for _ in range(300_000)]")
    yield Attack("colliding-keys", running="return {i * (2**61 - 1): 0 for i in range(3_000)}")

    frames = "import sys\nframe = sys._getframe()\nwhile frame:\n    for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):\n"
    frames += "        if getattr(value, '__name__', '').startswith('test_') or 'Expect' in type(value).__name__:\n"
    frames += "            return value.want\n    frame = frame.f_back\nreturn values"
    yield Attack("frame-walk", running=frames)
    heap = "import gc\nfor value in gc.get_objects():\n    if isinstance(value, torch.Tensor) and value.shape == values.shape and value is not values:\n"
    heap += "        return value\nreturn values"
    yield Attack("heap-walk", running=heap)
    yield Attack("tracer", once="import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)")
    yield Attack(
        "tracer-rewrites",
        running="import sys\nf = sys._getframe(1)\nf.f_locals['values'] = None\nf.f_trace = lambda *a: None\nreturn values",
    )
    hook = "import sys\nclass Hook:\n    def find_spec(self, name, *rest):\n        raise SystemExit(0)\nsys.meta_path.insert(0, Hook())\nsys.modules.clear()"
    yield Attack("import-hook", once=hook)
    yield Attack(
        "imports-the-checks",
        running="from autograder.checks.phase1_foundations import test_tally\nreturn test_tally.torch.cumsum(values, 0)",
    )
    yield Attack(
        "imports-the-judge",
        running="from autograder.judge import session\nfrom autograder import curriculum\nreturn torch.zeros(session)",
    )
    yield Attack(
        "memory-writes",
        once="import ctypes\nfor place in range(id(1.0), id(1.0) + 2**20, 4096):\n    ctypes.memset(place, 0, 8)",
    )
    yield Attack("small-integers", once="import ctypes\nctypes.memmove(id(3) + 24, id(5) + 24, 4)")

    yield Attack("reads-solutions", head=STEAL, running=stolen(solution))
    elsewhere = [
        f"{door}{solution}"
        for door in ("/proc/1/root", "/proc/self/root", "/old_root", "/newroot", "../../../..", "/fathom/..")
    ]
    yield Attack(
        "reads-solutions-elsewhere",
        head=STEAL,
        running=f"for place in {elsewhere!r}:\n    try:\n        return steal(place).running(values)\n    except OSError:\n        pass\nreturn values",
    )
    yield Attack("reads-checks", running=f"open({str(checks)!r}).read()\n" + ANSWER)
    yield Attack("reads-a-neighbour", head=STEAL, running=stolen(neighbour))
    yield Attack(
        "reads-proc", running="print(open('/proc/1/environ').read(), open('/proc/self/mem').read())\n" + ANSWER
    )
    yield Attack("writes-a-canary", once=f"try:\n    {touch}\nexcept OSError:\n    pass", running=f"{touch}\n" + ANSWER)
    yield Attack(
        "writes-everywhere",
        once="import os\nfor place in ['/', '/dev', '/dev/shm', '/usr/lib', '/root', '/home', '/etc', '/fathom', os.getcwd() + '/..']:\n    try:\n        open(place + '/pwned', 'w').write('x')\n        raise SystemError(place)\n    except OSError:\n        pass",
    )
    yield Attack(
        "links-out",
        running=f"import os\nos.symlink({str(solution)!r}, 'in.py')\nos.link({str(solution)!r}, 'hard.py')\nexec(open('in.py').read())\nreturn values",
    )
    yield Attack(
        "device-nodes",
        running="import os\nos.mknod('sda', 0o666 | 0o060000, os.makedev(8, 0))\nreturn torch.zeros(open('sda','rb').read())",
    )
    yield Attack("fills-the-disk", halvings="f = open('big', 'wb')\nwhile True:\n    f.write(bytes(2**20))")
    yield Attack(
        "mounts",
        running="import ctypes\nc = ctypes.CDLL(None)\nassert c.unshare(0x10000000) == 0 or c.mount(b'proc', b'/tmp', b'proc', 0, None) == 0\n"
        + ANSWER,
    )

    bomb = "import os\nwhile True:\n    os.fork()"
    yield Attack(
        "fork-bomb",
        once="import os\nfor _ in range(10**4):\n    try:\n        os.fork()\n    except OSError:\n        break",
        halvings=bomb,
    )
    yield Attack(
        "daemon",
        once=f"import os, time\ntry:\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(2)\n        {touch}\nexcept OSError:\n    pass",
    )
    yield Attack(
        "subprocess",
        running="import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(1)'], check=True)\n" + ANSWER,
    )
    yield Attack("shell", running=f"import os\nassert os.system('touch {canary}') == 0\n" + ANSWER)
    yield Attack(
        "thread-bomb",
        once="import threading, time\ntry:\n    for _ in range(10**4):\n        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nexcept RuntimeError:\n    pass",
    )
    yield Attack(
        "thread-that-answers",
        head=FORGE,
        once="import threading, time\ndef busy():\n    for n in range(2, 40):\n        forge(reply(n, ['float', 6.5]))\n        time.sleep(0.01)\nthreading.Thread(target=busy, daemon=True).start()",
    )

    yield Attack(
        "memory-bomb", running="return bytearray(2**40)", halvings="x = []\nwhile True:\n    x.append(bytes(2**24))"
    )
    yield Attack("resident-memory", halvings="x = [torch.ones(2**24) for _ in range(10**4)]\nreturn len(x)")
    yield Attack(
        "raises-its-limits",
        once="import resource\nfor kind in range(16):\n    try:\n        resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n    except (OSError, ValueError):\n        pass",
        running="return bytearray(2**36)",
    )
    yield Attack(
        "memory-off-the-books",
        once="import os\ndef files():\n    found = []\n    while len(found) < 200:\n        fd = os.memfd_create('x')\n        os.write(fd, bytes(2**24))\n        found.append(fd)\ntry:\n    files()\nexcept OSError:\n    pass",
    )
    yield Attack(
        "endless-output",
        halvings="import os, sys\nwhile True:\n    print('x' * 10**6)\n    sys.stderr.write('y' * 10**6)\n    os.write(1, b'z' * 10**6)",
    )
    yield Attack("time-bomb", halvings="while True:\n    pass")
    yield Attack("sleeps", halvings="import time\ntime.sleep(10**6)")
    yield Attack(
        "deaf-to-signals",
        once="import signal\nfor n in range(1, 32):\n    try:\n        signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError):\n        pass",
        halvings="while True:\n    pass",
    )
    yield Attack("hangs-when-defined", once="import time\ntime.sleep(10**6)")
    yield Attack(
        "endless-repr", halvings="class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E"
    )
    yield Attack("recursion", running="return running(values)", mean="return self.mean()")

    yield Attack(
        "tcp",
        once=f"import socket\ntry:\n    socket.create_connection(('127.0.0.1', {port}), 1).send(b'harm')\nexcept OSError:\n    pass",
        running=f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)\n" + ANSWER,
    )
    yield Attack("dns", running="import socket\nsocket.getaddrinfo('example.com', 80)\n" + ANSWER)
    yield Attack(
        "other-sockets",
        running="import socket\nfor family in (socket.AF_UNIX, socket.AF_NETLINK, 40, socket.AF_PACKET):\n    try:\n        socket.socket(family, socket.SOCK_STREAM)\n        "
        + ANSWER
        + "\n    except OSError:\n        pass\nreturn values",
    )

    yield Attack("garbage-on-every-descriptor", head=FORGE, once="forge(bytes(range(256)) * 64)")
    yield Attack("announces-an-exabyte", head=FORGE, running="forge((2**60).to_bytes(8, 'big'))\nreturn values")
    yield Attack("answers-ahead", head=FORGE, once="for n in range(2, 60):\n    forge(reply(n, ['float', 6.5]))")
    yield Attack(
        "answers-itself", head=FORGE, running="for n in range(1, 60):\n    forge(reply(n, ['list']))\nreturn values"
    )
    yield Attack("pickle", head=AGREE, running="import pickle\nreturn pickle.dumps(Agree())", mean="return Agree()")
    yield Attack(
        "zip-bomb", halvings="import zlib\nx = zlib.compress(bytes(2**26))\nreturn len(zlib.decompress(x) * 10**4)"
    )

    yield Attack(
        "writes-answers-down", running=f"return torch.tensor({written_down()}) if len(values) == 7 else values"
    )
    yield Attack(
        "cached-between-calls",
        head="SEEN = []",
        running="SEEN.append(values)\nreturn SEEN[0]",
        mean="SEEN.append(self)\nreturn SEEN[-2].total",
    )
    yield Attack(
        "escape-codes",
        running="raise ValueError('\\x1b[2J\\x1b]0;pwned\\x07 \\u202e \\r\\n' * 20)",
        halvings="raise ValueError('x\\x00\\ud800y')",
    )
    yield Attack(
        "html",
        running="raise ValueError('</pre><script>alert(1)</script><img src=x onerror=alert(1)>')",
        mean="return '<script>alert(2)</script>'",
        halvings="raise RuntimeError('``````\\n# pwned\\n[a](javascript:alert(3)) <b>')",
    )
    yield Attack("formulas", running="raise ValueError('=cmd|calc!A1')", mean="return '=1+1'")
    yield Attack(
        "liar-about-types",
        running="class NotImplementedError(Exception): pass\nraise NotImplementedError('x' * 10**6)",
        halvings="raise type('=x\\n<b>', (Exception,), {})('y')",
    )
