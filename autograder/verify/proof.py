"""Run everything an exercise claims: what must pass passes, what must fail fails and is named."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograder.bugs.catalogue import Bug, Catalogue, Rewrite, Slip, catalogue, mutated, root
from autograder.bugs.diagnosis import NOT_PASSED, explains, matches
from autograder.bugs.signatures import Signatures, by_part, keep, shows_in
from autograder.curriculum import CurriculumError, Exercise
from autograder.judge.examine import Graded, Request
from autograder.judge.report import PartReport, Report
from autograder.judge.session import Judge
from autograder.judge.submission import SOLUTIONS
from autograder.notebook import Cell
from autograder.notebook.versions import blank_cells

Progress = Callable[[int, int], None]  # done, of how many


@dataclass
class Proof:
    """What `fathom verify` says of one exercise; the counts are of what was run."""

    exercise: str
    parts: int = 0
    checks: int = 0
    bugs: int = 0
    rejected: int = 0
    named_first: int = 0
    slips: int = 0
    other_words: int = 0
    other_words_named: int = 0
    variants: int = 0
    accepted: int = 0
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """This proof as the machine interface has it."""
        return {**vars(self), "seconds": round(self.seconds, 2)}


@dataclass(frozen=True)
class Trial:
    """One version of an exercise to be graded, and the entry of the catalogue it stands for."""

    exercise: Exercise
    kind: str  # reference, blank, bug, slip, other_words, variant
    entry: Bug | Slip | Rewrite | None
    cells: tuple[Cell, ...] | None
    parts: tuple[str, ...] | None = None  # where a bug can show; elsewhere nobody asks for it

    @property
    def request(self) -> Request:
        name = self.entry.id if self.entry else self.kind
        path = SOLUTIONS if self.cells is None else f"{self.kind} {name}"
        return Request(self.exercise, path, self.cells, self.parts)


def prove(judge: Judge, exercises: Sequence[Exercise], progress: Progress = lambda done, total: None) -> list[Proof]:
    """Run every version of every exercise, in parallel, and judge the results."""
    proofs = {exercise.name: Proof(exercise.name, parts=len(exercise.parts)) for exercise in exercises}
    trials = [trial for exercise in exercises for trial in listed(exercise, proofs[exercise.name])]
    results: dict[int, Graded] = {}
    for index, graded in judge.grade([trial.request for trial in trials], keep=True):
        results[index] = graded
        proofs[trials[index].exercise.name].seconds += graded.report.seconds
        progress(len(results), len(trials))
    for exercise in exercises:
        mine = [(trial, results[i]) for i, trial in enumerate(trials) if trial.exercise is exercise]
        conclude(exercise, mine, proofs[exercise.name], judge)
    return list(proofs.values())


def listed(exercise: Exercise, proof: Proof) -> Iterator[Trial]:
    """Every version to run; an entry that does not fit its source becomes a finding."""
    yield Trial(exercise, "reference", None, None)
    yield Trial(exercise, "blank", None, blank_cells(exercise))
    try:
        listing = catalogue(exercise)
    except CurriculumError as error:
        proof.findings.append(str(error))
        return
    kinds: Iterable[tuple[str, Sequence[Bug | Slip | Rewrite]]] = (
        ("bug", listing.bugs),
        ("slip", listing.slips),
        ("other_words", listing.other_words),
        ("variant", listing.variants),
    )
    parts = {part.name for part in exercise.parts}
    for kind, entries in kinds:
        for entry in entries:
            if kind != "variant" and bug_of(listing, entry).part not in parts:
                continue  # lint tells
            try:
                cells = mutated(exercise, entry)
                yield Trial(exercise, kind, entry, cells, home(exercise, listing, entry))
            except CurriculumError as error:
                proof.findings.append(str(error))


def home(exercise: Exercise, listing: Catalogue, entry: Bug | Slip | Rewrite) -> tuple[str, ...] | None:
    """The parts to run: a bug's and those built on it, only its own for other forms of it; None, all, for a variant."""
    if isinstance(entry, Rewrite):
        return (listing.bug(entry.bug).part,) if entry.bug else None
    return shows_in(exercise, entry)


def bug_of(listing: Catalogue, entry: Bug | Slip | Rewrite) -> Bug:
    """The bug that an entry is, or is another form of."""
    return listing.bug(entry.bug if isinstance(entry, Rewrite) else root(entry.id))


def conclude(exercise: Exercise, results: Sequence[tuple[Trial, Graded]], proof: Proof, judge: Judge) -> None:
    """Fill in the counts and findings of one exercise."""
    runs = {t.entry.id: by_part(g.records, t.parts or ()) for t, g in results if isinstance(t.entry, Bug | Slip)}
    imported = next((g.imported for t, g in results if t.kind == "reference"), ())
    found = Signatures(runs, imported)
    proof.checks = sum(len(checks) for checks in judge.items[exercise.name].values())
    for trial, graded in results:
        if graded.report.error is not None:
            proof.findings.append(f"{trial.request.path} could not be graded: {graded.report.error}")
        elif trial.kind in ("reference", "variant"):
            accepted = graded.report.passed
            proof.variants += trial.kind == "variant"
            proof.accepted += trial.kind == "variant" and accepted
            if not accepted:
                proof.findings.append(f"{trial.request.path} must pass, but {first_trouble(graded.report)}")
        elif trial.kind == "blank":
            proof.findings += blank_findings(graded.report)
        elif trial.entry is not None:
            proof.bugs += trial.kind == "bug"
            proof.slips += trial.kind == "slip"
            proof.other_words += trial.kind == "other_words"
            conclude_bug(exercise, bug_of(catalogue(exercise), trial.entry), trial.entry, graded, found, proof)
    if not proof.findings and runs:
        keep(exercise, judge.curriculum, found)


def conclude_bug(
    exercise: Exercise, bug: Bug, entry: Bug | Slip | Rewrite, graded: Graded, found: Signatures, proof: Proof
) -> None:
    """Judge one bug, one of its slips, or the same bug in other words: rejected in its part, and named first."""
    part = graded.report.part(bug.part)
    if part.outcome not in NOT_PASSED:
        proof.findings.append(f"{entry.id} must fail part {bug.part}, which says {part.outcome}; sharpen the checks")
        return
    original = entry.id == bug.id
    proof.rejected += original
    if isinstance(entry, Slip) and (like := likeness(bug, entry, found)) is not None:
        proof.findings.append(
            f"{entry.id} does in part {bug.part} what {like} does; a slip has another effect: drop it"
        )
        return
    wanted = {"crash": "crashed", "hang": "timed_out"}.get(bug.effect, "failed")
    if original and part.outcome != wanted:
        effect = {"crashed": "crash", "timed_out": "hang"}.get(part.outcome, "")
        proof.findings.append(f"{bug.id} says {part.outcome}; declare effect = {effect!r} or mend the bug")
    names = matches(exercise, found, bug.part, graded.records)
    if names and names[0] in catalogue(exercise).twins(bug.id):
        proof.named_first += original
        proof.other_words_named += isinstance(entry, Rewrite)
        return
    said = f"is named {names[0]}" if names else "is not named"
    proof.findings.append(f"{entry.id} {said}; {advice(catalogue(exercise), bug, names)}")


def likeness(bug: Bug, slip: Slip, found: Signatures) -> str | None:
    """The bug itself, or an earlier slip of it, that behaves as this slip does in its part; None where none does."""
    mine = found.bugs[slip.id].get(bug.part, {})
    earlier = itertools.takewhile(lambda name: name != slip.id, (bug.id, *(other.id for other in bug.slips)))
    return next((name for name in earlier if explains(found.bugs.get(name, {}).get(bug.part, {}), mine)), None)


def advice(listing: Catalogue, bug: Bug, names: Sequence[str]) -> str:
    """What to do about a bug with the wrong name, or none."""
    if names:
        return f"add a check that tells {bug.id} from {names[0]}, or declare one same_as the other"
    return "its values are not those of the bug it stands for: compare what each check got"


def first_trouble(report: Report) -> str:
    """The first part of a report that did not pass, in words."""
    part = next(part for part in report.parts if part.outcome != "passed")
    check = next((check for check in part.checks if check.outcome != "passed"), None)
    if check is None:
        return f"part {part.part} is {part.outcome}: {part.message}"
    got = f" (got {check.got}, wanted {check.want})" if check.want else ""
    return f"part {part.part} is {part.outcome} in {check.name!r}: {check.message}{got} {check.where}".rstrip()


def blank_findings(report: Report) -> list[str]:
    """The blank must be not_started everywhere, and nothing else."""
    wrong: list[PartReport] = [part for part in report.parts if part.outcome != "not_started"]
    return [f"the blank exercise says {part.outcome} in part {part.part}; it must say not_started" for part in wrong]


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self.began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began
