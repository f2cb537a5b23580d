"""One submission before the judge: borrow workers, run observations, compare, and remember what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autograder.judge.compare import Mismatch, compare
from autograder.judge.observation import Observation
from autograder.judge.picture import Picture, picture_of
from autograder.judge.raising import raises
from autograder.judge.report import CheckReport, Outcome
from autograder.observe.client import Answer, Worker, Zygote
from autograder.observe.wire import Raised

SECONDS = 5.0  # an observation's deadline unless its check says otherwise
KILLS = 2  # so many killed workers, and the rest of the part is timed_out


@dataclass(frozen=True)
class Comparison:
    """One `expect`: what came, and whether it was what the oracle says."""

    got: Any
    ok: bool
    rtol: float | None = None
    atol: float | None = None


@dataclass(frozen=True)
class Record:
    """One check on one submission: what the report says, and the values that diagnosis compares."""

    report: CheckReport
    part: str
    comparisons: tuple[Comparison, ...] = ()
    raised: str = ""  # what ended it before its end: an exception's type, else the sentence about it

    @property
    def outcome(self) -> Outcome:
        return self.report.outcome


class JudgeError(RuntimeError):
    """The judge itself could not do its work: checks that do not collect, a check that broke, a zygote that is gone."""


class Stopped(BaseException):
    """Ends a check from inside `observe`; a BaseException, so that no check swallows it."""

    def __init__(self, outcome: Outcome, message: str, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.outcome, self.message, self.answer = outcome, message, answer


class Grading:
    """A submission's definitions and the workers that hold them, one after the other."""

    def __init__(
        self,
        zygote: Zygote,
        statements: Sequence[Mapping[str, Any]],
        carried: Mapping[str, Sequence[Mapping[str, Any]]],
        scratch: Mapping[str, str],
        owners: Mapping[str, str],
    ) -> None:
        """`owners` maps the qualified name of each stub to its part."""
        self.zygote, self.statements, self.carried, self.scratch = zygote, statements, carried, scratch
        self.owners = owners
        self.worker: Worker | None = None
        self.asked = 0  # observations the present worker has answered
        self.kills = 0
        self.imported: dict[str, None] = {}  # modules that observations made a worker load
        self.part = ""  # the present one
        self.confirmed = False  # whether it has failed in a fresh worker
        self.failed: set[str] = set()  # parts that have failed in a fresh worker, and what failed on top of them
        self.problems: tuple[str, ...] = ()  # a sentence for each definition that could not be run
        self.hopeless: Answer | None = None  # to every observation, once the definitions themselves went wrong

    def begin_part(self, part: str, needs: Sequence[str], confirmed: bool = False) -> None:
        """Turn to a part; it counts as failed in a fresh worker if that is known, or if what it needs has failed so."""
        self.part, self.kills = part, 0
        self.confirmed = confirmed or not self.failed.isdisjoint(needs)

    def ask(self, what: Observation, args: Sequence[Any], kwargs: Mapping[str, Any], seconds: float) -> Answer:
        """Run an observation in the present worker, or in a new one where there is none."""
        if self.hopeless is not None:
            return self.hopeless
        if self.kills >= KILLS:
            return Answer("late", message=f"not run: {KILLS} workers of this part had to be stopped")
        if self.worker is None:
            self.worker, self.asked = self.zygote.worker(), 0
            loaded = self.worker.load(self.statements, self.carried, self.scratch)
            if loaded.kind != "value":
                self.retire()
                self.hopeless = replace(loaded, message=f"while the definitions were run: {loaded.message}")
                return self.hopeless
            told = loaded.value if isinstance(loaded.value, list) else []
            self.problems = tuple(f"not run: {sentence}" for sentence in told if isinstance(sentence, str))
        self.asked += 1
        return self.settle(self.worker.observe(what.source, what.name, args, kwargs, seconds))

    def settle(self, answer: Answer) -> Answer:
        """Let go of a worker that did not answer."""
        self.imported.update(dict.fromkeys(answer.imported))
        if answer.kind in ("late", "died"):
            self.retire()
            self.kills += answer.kind == "late"
        return answer

    def retire(self) -> None:
        """End the present worker; the next observation gets a fresh one."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    def run(self, name: str, part: str, check: Callable[[Check], None]) -> Record:
        """Run one check; the first failure of a part is confirmed alone in a fresh worker, whose verdict stands.

        Once one is confirmed the part has failed, and neither its other checks nor the parts that need it are given
        workers of their own.
        """
        lone = self.worker is None
        record = self.once(name, part, check)
        if record.outcome in ("passed", "not_started", "timed_out"):
            return record
        if lone or self.confirmed:
            self.settled()
            return record
        self.retire()
        alone = self.once(name, part, check)
        if alone.outcome != "passed":
            self.settled()
        else:
            note = "It passes alone and fails after other calls: something is kept between calls."
            report = CheckReport(**{**vars(alone.report), "message": note})
            return Record(report, part, alone.comparisons, alone.raised)
        return alone

    def settled(self) -> None:
        """The present part has failed, without any doubt."""
        self.confirmed = True
        self.failed.add(self.part)

    def once(self, name: str, part: str, check: Callable[[Check], None]) -> Record:
        """Run one check as it comes."""
        recorder = Check(self)
        try:
            check(recorder)
            recorder.close()
        except Stopped as stop:
            return recorder.stopped(name, part, stop)
        return recorder.record(name, part)


@dataclass
class Check:
    """What a check's `observe` and `expect` write to."""

    grading: Grading
    comparisons: list[Comparison] = field(default_factory=list)
    mismatches: list[tuple[Mismatch, str]] = field(default_factory=list)
    open: int = 0  # observations since the last expectation
    observed: int = 0
    printed: str = ""
    picture: Picture | None = None

    def observe(
        self, what: Observation, *args: Any, seconds: float = SECONDS, may_raise: bool = False, **kwargs: Any
    ) -> Any:
        """Run an observation on the learner's code and return what it saw, as plain data.

        With `may_raise` an exception of the learner's code is returned as `Raised`; else it ends the check.
        """
        answer = self.grading.ask(what, args, kwargs, seconds)
        self.open += 1
        self.observed += 1
        self.printed += answer.printed
        if answer.kind == "value":
            return answer.value
        if answer.kind == "late":
            raise Stopped("timed_out", answer.message, answer)
        if answer.kind == "died" or answer.raised is None:
            raise Stopped("crashed", answer.message, answer)
        if answer.raised.type == "NotImplementedError" and answer.function in self.grading.owners:
            raise Stopped("not_started", self.grading.owners[answer.function], answer)
        if answer.raised.type == "NotDefined":
            raise Stopped("not_started", "", answer)
        if may_raise:
            return answer.raised
        raise Stopped("crashed", answer.raised.said, answer)

    def expect(
        self,
        got: Any,
        want: Any,
        message: str,
        *,
        rtol: float | None = None,
        atol: float | None = None,
        dtype: bool = False,
    ) -> None:
        """Compare what was seen with what an oracle says; record the result and go on."""
        self.open = 0
        if isinstance(got, Raised) and not isinstance(want, raises):
            raise Stopped("crashed", got.said, Answer("raised", raised=got))
        mismatch = compare(got, want, rtol=rtol, atol=atol, dtype=dtype)
        self.comparisons.append(Comparison(got, mismatch is None, rtol, atol))
        if mismatch is not None:
            if not self.mismatches:
                self.picture = picture_of(got, want)
            self.mismatches.append((mismatch, message))

    def close(self) -> None:
        """Refuse a check that looks without judging."""
        if self.open or not self.observed:
            raise UnjudgedCheck("a check ends with an `expect` after its last `observe`")

    def record(self, name: str, part: str) -> Record:
        """The record of a check that ran to its end."""
        if not self.mismatches:
            return Record(CheckReport(name, "passed"), part, tuple(self.comparisons))
        mismatch, message = self.mismatches[0]
        shown = (mismatch.got, mismatch.want, message, mismatch.where, self.printed, self.picture)
        report = CheckReport(name, "failed", *shown)
        return Record(report, part, tuple(self.comparisons))

    def stopped(self, name: str, part: str, stop: Stopped) -> Record:
        """The record of a check that could not go on."""
        answer = stop.answer or Answer("raised")
        raised = answer.raised
        message = stop.message
        if stop.outcome == "not_started" and raised is not None:
            own = f"`{answer.function}` still raises {raised.said}" if message else raised.message
            message = f"waits for {message}" if message not in ("", part) else own
        where = raised.where if raised else ""
        report = CheckReport(name, stop.outcome, message=message, where=where, printed=self.printed)
        return Record(report, part, tuple(self.comparisons), raised.type if raised else stop.message)


class UnjudgedCheck(AssertionError):
    """A check whose last observation is never compared: refused, since it could not fail."""
