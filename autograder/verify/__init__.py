"""The gate: prove every exercise by running its reference, its blank, its bugs and its variants."""

from __future__ import annotations

from collections.abc import Sequence

from autograder.bugs.signatures import preloads
from autograder.curriculum import Curriculum, Exercise
from autograder.judge.session import Judge, with_judge
from autograder.verify.lint import lint
from autograder.verify.proof import Progress, Proof, prove

__all__ = ["Proof", "prove", "prove_all"]


def prove_all(course: Curriculum, exercises: Sequence[Exercise], notebooks: bool, progress: Progress) -> list[Proof]:
    """Prove exercises with one warm judge, then read and, with `notebooks`, run what the learner will see.

    Raises JudgeError where the checks cannot be collected.
    """

    def body(judge: Judge) -> list[Proof]:
        proofs = prove(judge, exercises, progress)
        for exercise, proof in zip(exercises, proofs, strict=True):
            counts = {part: len(checks) for part, checks in judge.items[exercise.name].items()}
            proof.findings += lint(exercise, counts)
        return proofs

    proofs = with_judge(course, exercises, body, preloads(course, exercises))
    if notebooks:
        from autograder.verify.execution import troubles

        for exercise, proof in zip(exercises, proofs, strict=True):
            proof.findings += troubles(exercise)
    return proofs
