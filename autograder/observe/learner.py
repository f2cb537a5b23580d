"""The learner's definitions as a live namespace, and the words for what goes wrong in it."""

from __future__ import annotations

import linecache
import re
import sys
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from autograder.method import method
from autograder.observe import limits
from autograder.observe.plain import Raised, raised
from autograder.observe.statements import Runner

GRADED = "of what stands outside of functions, only definitions and constants are graded"
MESSAGE = 500  # characters of an exception's message that are shown
FILE = re.compile(r"<(?P<cell>.*) #(?P<index>\d+)>")


class NotDefined(AttributeError):
    """The submission does not define the name that an observation asked for."""


class Learner:
    """What observations see as `learner`: attribute access finds the submission's definitions, and nothing else."""

    def __init__(self, find: Callable[[str], Any]) -> None:
        object.__setattr__(self, "_find", find)

    def __getattr__(self, name: str) -> Any:
        return self._find(name)


class Submission:
    """A submission's graded statements, run in a module of their own."""

    def __init__(self) -> None:
        self.module = types.ModuleType("submission")
        self.statements: Sequence[Mapping[str, Any]] = ()
        self.scratch: Mapping[str, str] = {}
        self.broken: dict[str, str] = {}
        self.learner = Learner(self.find)

    def find(self, name: str) -> Any:
        """Return the definition of `name`, or raise with the reason why there is none."""
        try:
            return self.module.__dict__[name]
        except KeyError:
            if name in self.broken:
                raise RuntimeError(f"`{name}` could not be defined: {self.broken[name]}") from None
            where = self.scratch.get(name)
            hint = f"; {where} makes it, but {GRADED}" if where else ""
            raise NotDefined(f"`{name}` is not defined{hint}") from None

    def load(
        self,
        statements: Sequence[Mapping[str, Any]],
        carried: Mapping[str, Sequence[Mapping[str, Any]]],
        scratch: Mapping[str, str],
    ) -> list[str]:
        """Run the graded statements in order; return a sentence for each that failed, and go on.

        `carried` maps earlier exercises to their statements, each after the ones that it needs itself.
        """
        self.statements, self.scratch = statements, scratch
        modules: dict[str, types.ModuleType] = {}
        sys.modules["autograder"] = autograder_for_workers(modules)
        for name, earlier in carried.items():
            module = types.ModuleType(f"carried_{name}")
            sys.modules[module.__name__] = module
            runner = Runner(module.__dict__)
            for index, statement in enumerate(earlier):
                runner.run(statement, index)
            modules[name] = module
        sys.modules["submission"] = self.module
        problems, runner = [], Runner(self.module.__dict__)
        for index, statement in enumerate(statements):
            try:
                runner.run(statement, index)
            except BaseException as error:  # learner code may raise anything, SystemExit included
                what, _ = self.describe(error)
                sentence = what.said + (f" ({what.where})" if what.where else "")
                self.broken.update(dict.fromkeys(statement["names"], sentence))
                problems.append(sentence)
        return problems

    def describe(self, error: BaseException) -> tuple[Raised, str]:
        """An exception in words, and the innermost graded function that it came from."""
        where, function = self.place(error)
        own = raised(error, where)
        return replace(own, message=self.message(error, own.message)[:MESSAGE]), function

    def message(self, error: BaseException, own: str) -> str:
        """The exception's own words, or better ones where we know the cause."""
        if isinstance(error, NameError) and isinstance(error.name, str):
            if error.name in self.scratch:
                where = self.scratch[error.name]
                return f"`{error.name}` is made in a scratch cell ({where}); pass it in, or make it inside the function: {GRADED}"
            if error.name in self.broken:
                return f"`{error.name}` could not be defined: {self.broken[error.name]}"
        if isinstance(error, EOFError):
            return "input() waits for someone to type, and nobody does here; take the value as an argument"
        if isinstance(error, SystemExit):
            return f"the code asked Python to exit (status {own[:40]})"
        if isinstance(error, RecursionError):
            return "the calls nest too deep; a loop with a list of its own needs no recursion"
        if isinstance(error, MemoryError) or "can't allocate memory" in own:
            return f"it asked for more memory than a check may use ({limits.MEMORY // limits.GIB} GiB)"
        return own

    def place(self, error: BaseException) -> tuple[str, str]:
        """Cell, line and text of the innermost frame in the submission, and the graded name it belongs to."""
        found = ("", "")
        for frame, line in traceback.walk_tb(error.__traceback__):
            match = FILE.fullmatch(frame.f_code.co_filename)
            index = int(match["index"][:9]) if match else len(self.statements)
            if match is None or frame.f_globals is not self.module.__dict__ or index >= len(self.statements):
                continue
            names = self.statements[index]["names"]
            inside = frame.f_code.co_qualname.split(".<locals>")[0]
            function = names[0] if names and "." in names[0] else inside
            text = linecache.getline(frame.f_code.co_filename, line).strip()
            found = (f"{match['cell']}, line {line}: {text[:120]}", function)
        return found


def autograder_for_workers(modules: Mapping[str, types.ModuleType]) -> types.ModuleType:
    """The package as graded code sees it: `method` and `carry` work, the rest politely does nothing."""
    package = types.ModuleType("autograder")

    def carry(name: str) -> types.ModuleType:
        if name not in modules:
            raise LookupError(f"carry({name!r}): this exercise does not declare that it needs {name!r}")
        return modules[name]

    def polite(name: str) -> Callable[..., None]:
        if name.startswith("__"):  # asked for by `inspect`, which looks at all modules: there is no file
            raise AttributeError(name)
        return lambda *args, **kwargs: None

    package.__dict__.update(carry=carry, method=method, __getattr__=polite)
    return package
