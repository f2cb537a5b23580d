# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 1
#     title: Tally
#     question: "What does a small exercise for testing the grader hold?"
#     hours: 1
#     track: core
#     week: 1
#     needs: []
#     sources: ["none"]
#     alone: [Tally]
#     from_scratch: [statistics, torch.cumsum]
# ---

# %% [markdown]
# # Tally
#
# Numbers go in, their sum and their mean come out.

# %%
import math

import torch

from autograder import check, method

# %% [markdown]
# ## Adding


# %% nbgrader={"grade_id": "tally", "solution": true}
class Tally:
    """A running total of floats: `Tally()` starts at 0, `add(x)` adds x and returns the tally itself."""

    def __init__(self):
        self.total = 0.0
        self.count = 0

    def add(self, x):
        """Add one number and return this tally, so that calls can be chained."""
        ### BEGIN SOLUTION
        self.total += x
        self.count += 1
        return self
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-add", "grade": true, "points": 1}
check("add")

# %% [markdown]
# ## The mean


# %% nbgrader={"grade_id": "mean", "solution": true}
@method(Tally)
def mean(self):
    """The mean of what was added, as a float; 0.0 of nothing."""
    ### BEGIN SOLUTION
    return self.total / self.count if self.count else 0.0
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-mean", "grade": true, "points": 2}
check("mean")

# %% [markdown]
# ## Running sums


# %% nbgrader={"grade_id": "running", "solution": true}
def running(values):
    """Running sums of a 1-D tensor: (N,) -> (N,), entry i the sum of values 0 … i."""
    ### BEGIN SOLUTION
    total = 0.0
    sums = []
    for value in values:
        total = total + value
        sums.append(total)
    return torch.stack(sums)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-running", "grade": true, "points": 3}
check("running")

# %% [markdown]
# ## Halving


# %% nbgrader={"grade_id": "halvings", "solution": true}
def halvings(n):
    """How often a positive int can be halved (rounding down) until it is 1: an int, 0 for 1."""
    ### BEGIN SOLUTION
    steps = 0
    while n > 1:
        n //= 2
        steps += 1
    return steps
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-halvings", "grade": true, "points": 1}
check("halvings")

# %%
print(running(torch.arange(4.0)), math.pi)
