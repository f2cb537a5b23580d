"""Practice after the pass: drills with planted bugs, parts written again from blank, and how deep it all sits.

`planting`, `choosing`, `symptoms`, `outcomes`, `schedule` and `depth` are pure; `workspace` is the files in practice/,
`grading` runs the checks, `runs` reads and writes what the log says of a drill or a review. A schedule is never
stored: it follows from the log, so two machines that merge their logs agree.
"""

from autograder.practice.given import given

__all__ = ["given"]
