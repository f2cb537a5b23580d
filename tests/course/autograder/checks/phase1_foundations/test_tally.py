import torch

from autograder.judge import observation, part


@observation
def totals(learner, values):
    tally = learner.Tally()
    for value in values:
        tally.add(value)
    return tally.total


@observation
def chained(learner, x, y):
    return learner.Tally().add(x).add(y).total


@observation
def means(learner, values):
    tally = learner.Tally()
    for value in values:
        tally.add(value)
    return tally.mean()


@observation
def running_sums(learner, values):
    return learner.running(values)


@observation
def halvings(learner, n):
    return learner.halvings(n)


@part("add")
def test_the_total_is_the_sum(observe, expect, rng):
    values = rng.uniform(1.0, 9.0, 5).tolist()
    expect(observe(totals, values), sum(values), "Everything that was added counts.")


@part("add")
def test_calls_can_be_chained(observe, expect):
    expect(observe(chained, 2.5, 4.0), 6.5, "The second call goes to what the first one returned.")


@part("mean")
def test_the_mean_is_the_sum_over_the_count(observe, expect, rng):
    values = rng.uniform(1.0, 9.0, 4).tolist()
    expect(observe(means, values), sum(values) / 4, "Which is per which?")


@part("mean")
def test_the_mean_of_nothing_is_zero(observe, expect):
    expect(observe(means, []), 0.0, "Nothing was added.")


@part("running")
def test_running_sums_match_cumsum(observe, expect, rng):
    values = torch.from_numpy(rng.uniform(1.0, 2.0, 7)).float()
    expect(observe(running_sums, values), torch.cumsum(values, 0), "Entry i holds everything up to i.")


@part("running")
def test_a_single_value_is_its_own_sum(observe, expect):
    expect(observe(running_sums, torch.tensor([3.5])), torch.tensor([3.5]), "One value, one sum.")


@part("halvings")
def test_halvings_are_the_logarithm(observe, expect, rng):
    n = int(rng.integers(5, 1000)) * 2 + 1
    expect(observe(halvings, n, seconds=0.5), len(bin(n)) - 3, "Round down each time.")


@part("halvings")
def test_one_needs_no_halving(observe, expect):
    expect(observe(halvings, 1, seconds=0.5), 0, "It is there already.")
