"""Checks of the backprop engine: against torch.autograd, closed forms and slow loops.

Most of them write a formula once, as text, and run it through two engines: the learner's Values and torch's tensors.
"""

import functools

import numpy as np
import pytest
import torch

from autograder.judge import observation, part


def numbers(rng, count, low=0.6, high=1.9):
    """Floats of either sign, their sizes well apart from one another and from 0."""
    step = (high - low) / count
    sizes = low + step * (rng.permutation(count) + rng.uniform(0.2, 0.8, count))
    return (sizes * (-1.0) ** rng.integers(2, size=count)).tolist()


def letters(*values):
    """Values under the names a, b, c …"""
    return dict(zip("abcdefgh", values, strict=False))


def torch_says(formulas, point):
    """What torch.autograd makes of formulas over the same leaves, in the form of the observations below."""
    return slopes_by_torch(tuple(formulas), tuple(point.items()))


@functools.lru_cache(1000)  # a class is graded on the same numbers
def slopes_by_torch(formulas, point):
    leaves = {name: torch.tensor(x, dtype=torch.float64, requires_grad=True) for name, x in point}
    results = [eval(formula, {}, dict(leaves)) for formula in formulas]
    sum(results).backward()
    slopes = {name: 0.0 if leaf.grad is None else leaf.grad.item() for name, leaf in leaves.items()}
    return {"results": [result.item() for result in results], **slopes}


def agree_with_torch(observe, expect, formulas, point, message):
    """Run each formula through both engines, and expect the same result and slopes."""
    got = observe(slopes_of_each, list(formulas), point)
    for formula, slopes in zip(formulas, got, strict=True):
        expect(slopes, torch_says([formula], point), message.format(formula))


def roads(links, leaves):
    """Roads from every node to the last, by a slow loop: links[k] holds the parents of node number leaves + k."""
    count = [0.0] * (leaves + len(links))
    count[-1] = 1.0
    for made in range(len(count) - 1, leaves - 1, -1):
        for parent in links[made - leaves][:2]:
            count[parent] += count[made]
    return count


def tangle(rng, leaves, made):
    """Parents of nodes that each use the node before and, on either side, some earlier one."""
    links = []
    for last in range(leaves - 1, leaves - 1 + made):
        pair = [last, int(rng.integers(max(0, last - 4), last))]
        links.append(pair if rng.random() < 0.5 else pair[::-1])
    return links


@observation
def slopes_of(learner, formulas, point):
    leaves = {name: learner.Value(x) for name, x in point.items()}
    results = [eval(formula, {}, dict(leaves)) for formula in formulas]
    for result in results:
        result.backward()
    return {"results": [result.data for result in results], **{name: leaf.grad for name, leaf in leaves.items()}}


@observation
def slopes_of_each(learner, formulas, point):
    seen = []
    for formula in formulas:
        leaves = {name: learner.Value(x) for name, x in point.items()}
        result = eval(formula, {}, dict(leaves))
        result.backward()
        seen.append({"results": [result.data], **{name: leaf.grad for name, leaf in leaves.items()}})
    return seen


@observation
def numbers_of(learner, formulas, point):
    return [eval(formula, {}, {name: learner.Value(x) for name, x in point.items()}).data for formula in formulas]


@observation
def operands_of_a_sum(learner, x, y):
    a, b = learner.Value(x), learner.Value(y)
    first = a + b
    second = a + first
    return {"a": [a.data, a.grad], "b": [b.data, b.grad], "a + b": [first.data, first.grad], "a + (a + b)": second.data}


@observation
def slopes_in_a_graph(learner, values, links, limit=40_000):
    """Slopes of all nodes; `limit` bounds the calls that the walk back may make, so that an endless one ends."""
    import sys

    class Enough(BaseException):
        pass

    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")
        if calls > limit:
            raise Enough

    nodes = [learner.Value(x) for x in values]
    for i, j, *product in links:
        nodes.append(nodes[i] * nodes[j] if product else nodes[i] + nodes[j])
    sys.setprofile(count)
    try:
        nodes[-1].backward()
    except Enough:
        return f"stopped after {limit} calls"
    finally:
        sys.setprofile(None)
    return [node.grad for node in nodes]


@observation
def slopes_in_a_chain(learner, x, y, sums):
    a, b = learner.Value(x), learner.Value(y)
    total = a
    for k in range(sums):
        total = b + total if k % 2 else total + b
    total.backward()
    return [a.grad, b.grad]


@observation
def measured_slopes(learner, coefficients, power, point, *h):
    def f(xs):
        return sum(c * x**power for c, x in zip(coefficients, xs, strict=True)) + 3.0 * xs[0] * xs[-1]

    given = list(point)
    return {"slopes": list(learner.numeric_gradient(f, given, *h)), "point": given}


@observation
def disagreement(learner, kind, point, *h):
    def cubes(xs, lean=0.0):
        first, *rest = (x * x * x + x * lean for x in xs)
        for term in rest:
            first = first + term
        return first

    def leaning_cubes(xs):
        return cubes(xs, -9.0)

    def cut(xs):
        return learner.Value(xs[0].data) * xs[1] + xs[2] * xs[1]

    f = {"cubes": cubes, "leaning cubes": leaning_cubes, "cut": cut}[kind]
    given = list(point)
    return {"disagreement": learner.gradient_check(f, given, *h), "point": given}


@part("numeric_gradient")
def test_each_slope_is_measured_on_its_own(observe, expect, rng):
    x, c = numbers(rng, 3), numbers(rng, 3, 2.0, 5.0)
    got = observe(measured_slopes, c, 2, x)
    want = [2 * c[0] * x[0] + 3 * x[2], 2 * c[1] * x[1], 2 * c[2] * x[2] + 3 * x[0]]
    expect(got["slopes"], want, "Entry i tells what x_i does while all the others stay. What else moved?")


@part("numeric_gradient")
def test_the_nudge_goes_to_both_sides_and_back(observe, expect, rng):
    x, h = numbers(rng, 2), float(rng.uniform(0.3, 0.5))
    got = observe(measured_slopes, [2.0, -1.5], 3, x, h)
    slopes = [2.0 * (3 * x[0] ** 2 + h**2) + 3 * x[1], -1.5 * (3 * x[1] ** 2 + h**2) + 3 * x[0]]
    message = "On x³ two-sided nudges err by h². Where were your two runs, and where is the caller's point now?"
    expect(got, {"slopes": slopes, "point": x}, message)


@part("add")
def test_a_sum_holds_the_sum(observe, expect, rng):
    point = letters(*numbers(rng, 3))
    formulas = ["a + b", "(a + b) + c", "a + (b + c)"]
    for formula, got in zip(formulas, observe(numbers_of, formulas, point), strict=True):
        expect(got, eval(formula, {}, point), f"What number should {formula} hold?")


@part("add")
def test_a_plain_number_may_stand_on_the_right(observe, expect, rng):
    point = letters(*numbers(rng, 1))
    formulas = ["a + 2", "a + 0.75"]
    message = "A plain number has no data and no grad. What could give it both?"
    for formula, got in zip(formulas, observe(numbers_of, formulas, point), strict=True):
        expect(got, eval(formula, {}, point), message)


@part("add")
def test_the_operands_stay_as_they_were(observe, expect, rng):
    x, y = numbers(rng, 2)
    want = {"a": [x, 0.0], "b": [y, 0.0], "a + b": [x + y, 0.0], "a + (a + b)": x + (x + y)}
    got = observe(operands_of_a_sum, x, y)
    expect(got, want, "A sum is a new node. The two it was made from are needed later, as they were.")


@part("backward")
def test_a_slope_counts_the_roads(observe, expect, rng):
    formulas = "a + b", "b + a + 2.5", "a + a + b", "(a + b) + (a + a)"
    message = "How many roads lead from each leaf to the result of {}?"
    agree_with_torch(observe, expect, formulas, letters(*numbers(rng, 2)), message)


@part("backward")
def test_every_node_waits_for_all_that_was_made_from_it(observe, expect, rng):
    message = "Node {} is the result, the first ones are leaves. From the back, which slope is the first to be wrong?"
    for leaves, links in ((2, [[0, 1], [1, 2], [3, 2], [3, 4]]), (2, tangle(rng, 2, 4)), (3, tangle(rng, 3, 9))):
        got = observe(slopes_in_a_graph, numbers(rng, leaves), links)
        expect(got, roads(links, leaves), message.format(leaves + len(links) - 1))


@part("backward")
def test_equal_numbers_are_different_nodes(observe, expect, rng):
    links = [[0, 1], [1, 0], [2, 3], [3, 4]]
    got = observe(slopes_in_a_graph, numbers(rng, 2), links)
    expect(got, roads(links, 2), "Two nodes of this graph hold the same number. Are they the same node?")


@part("backward")
def test_two_results_add_up_in_a_shared_leaf(observe, expect, rng):
    point, formulas = letters(*numbers(rng, 3)), ["a + b", "c + a + a"]
    message = "The second result met a leaf that held a slope already. Whose business is it to clear that?"
    expect(observe(slopes_of, formulas, point), torch_says(formulas, point), message)


@part("backward")
def test_a_chain_of_500_sums_works(observe, expect, rng):
    got = observe(slopes_in_a_chain, *numbers(rng, 2), 500)
    expect(got, [1.0, 500.0], "500 sums in a row: one road from the start, 500 from the number that is added.")


@part("backward")
def test_the_work_grows_with_nodes_and_not_with_roads(observe, expect):
    links = [[k + 1, k] for k in range(60)]
    got = observe(slopes_in_a_graph, [1.0, 2.0], links)
    expect(got, roads(links, 2), "Sixty nodes, a trillion roads. How often does each node step back?")


@part("mul")
def test_one_factor_is_the_slope_of_the_other(observe, expect, rng):
    message = "Nudge one factor by h. By how many h does the product {} move?"
    agree_with_torch(observe, expect, ["a * b", "a * 3", "a * -0.5"], letters(*numbers(rng, 2)), message)


@part("mul")
def test_every_road_adds_to_the_slope(observe, expect, rng):
    message = "In {} two roads lead back to a. The second must not erase what the first one left."
    agree_with_torch(observe, expect, ["a * b + a", "b * a + a", "a * b * a"], letters(*numbers(rng, 2)), message)


@part("mul")
def test_the_slope_that_arrives_is_passed_on(observe, expect, rng):
    formulas = "a * b * c", "a * (b * c)", "(a * b + c) * (b * c + a)"
    message = "Along a road the slopes multiply. What had arrived at each product of {}?"
    agree_with_torch(observe, expect, formulas, letters(*numbers(rng, 3)), message)


@part("mul")
def test_a_factor_of_zero_has_a_slope(observe, expect, rng):
    message = "The product is 0, and a nudge of a still moves it. By how much?"
    agree_with_torch(observe, expect, ["a * b", "b * a"], letters(0.0, *numbers(rng, 1)), message)


@part("mul")
def test_sums_and_products_in_a_tangle_agree_with_torch(observe, expect, rng):
    values = numbers(rng, 3)
    links = [[*pair, "*"] if k % 2 else pair for k, pair in enumerate(tangle(rng, 3, 8))]
    nodes = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in values]
    for i, j, *product in links:
        nodes.append(nodes[i] * nodes[j] if product else nodes[i] + nodes[j])
    slopes = torch.autograd.grad(nodes[-1], nodes, allow_unused=True)
    got = observe(slopes_in_a_graph, values, links)
    message = "Node 10 is the result, the first three are leaves. From the back, which slope is the first to be wrong?"
    expect(got, [0.0 if slope is None else slope.item() for slope in slopes], message)


@part("pow")
def test_the_slope_of_a_power_agrees_with_torch(observe, expect, rng):
    a, b = numbers(rng, 2, 1.3, 2.4)
    formulas = [f"a ** {exponent} * b" for exponent in (3, 2, -1, 0.5, -1.5)]
    message = "Write the slope of x cubed on paper: what stands in front, and what is left above?"
    agree_with_torch(observe, expect, formulas, letters(abs(a), b), message)


@part("pow")
def test_a_negative_base_keeps_its_sign(observe, expect, rng):
    (a,) = numbers(rng, 1, 1.3, 2.4)
    message = "In {} the base is negative. Does its sign reach the slope, and do all roads count?"
    agree_with_torch(observe, expect, ["a ** 3", "a ** -2", "a ** 2 + a"], letters(-abs(a)), message)


@part("pow")
def test_a_base_of_zero_works(observe, expect, rng):
    formulas = [f"a ** {exponent} * b" for exponent in (1, 2, 3)]
    message = "At 0 the powers from 1 up have a slope. Which step of yours needs a base that is not 0?"
    agree_with_torch(observe, expect, formulas, letters(0.0, *numbers(rng, 1)), message)


@part("algebra")
def test_minus_agrees_with_torch(observe, expect, rng):
    formulas = "(-a) * b", "a - b", "a - 2", "(a - b) * (-b - a)"
    message = "Nudge what stands behind a minus upward. Where does {} go?"
    agree_with_torch(observe, expect, formulas, letters(*numbers(rng, 2)), message)


@part("algebra")
def test_division_agrees_with_torch(observe, expect, rng):
    message = "In {} the upper and the lower number move the quotient. Does a slope reach both?"
    agree_with_torch(observe, expect, ["a / b", "a / 4", "b / (a * b + a)"], letters(*numbers(rng, 2)), message)


@part("algebra")
@pytest.mark.parametrize("formula", ["2.5 + a", "2.5 * a", "2.5 - a", "2.5 / a"])
def test_a_plain_number_may_stand_on_the_left(observe, expect, rng, formula):
    message = "In {} Python asks a, the operand on the right. Who is self then, and who is other?"
    agree_with_torch(observe, expect, [formula, f"({formula}) + a * a"], letters(*numbers(rng, 1)), message)


@part("algebra")
def test_python_s_own_sum_works(observe, expect, rng):
    message = "sum() begins with the int 0. What stands on the left of its first plus, and what on the right?"
    agree_with_torch(observe, expect, ["sum([a, b, c, d])"], letters(*numbers(rng, 4)), message)


@part("algebra")
def test_all_of_it_together_agrees_with_torch(observe, expect, rng):
    formulas = ["(1 - a * b) / (c - 3) - (d / a - 2 * b) * -c + (1 / (d * d + 1) - b) ** 2"]
    message = "Cut the formula in two: which half gives another slope than a nudge does?"
    agree_with_torch(observe, expect, formulas, letters(*numbers(rng, 4)), message)


@part("exp_log")
def test_exp_agrees_with_torch(observe, expect, rng):
    formulas = "a.exp() * b", "a.exp() + a * b", "(a * b).exp()"
    message = "Which function is its own slope, and at which number is it taken in {}?"
    agree_with_torch(observe, expect, formulas, letters(*numbers(rng, 2)), message)


@part("exp_log")
def test_log_agrees_with_torch(observe, expect, rng):
    a, b = numbers(rng, 2, 1.3, 2.9)
    formulas = "a.log() * b", "a.log() + a * b", "(a * a).log() * b"
    message = "Is the slope of the logarithm made of what went in or of what came out?"
    for size in (1.0, 1e-6):
        agree_with_torch(observe, expect, formulas, letters(abs(a) * size, b), message)


@part("exp_log")
def test_the_slopes_of_a_soft_maximum_are_the_softmax(observe, expect, rng):
    values = numbers(rng, 3)
    powers = np.exp(values)
    want = {"results": [float(np.log(powers.sum()))], **letters(*(powers / powers.sum()).tolist())}
    got = observe(slopes_of, ["(a.exp() + b.exp() + c.exp()).log()"], letters(*values))
    expect(got, want, "Raise all three by h and the result rises by h. Do your slopes add up to 1?")


@part("tanh_relu")
def test_tanh_agrees_with_torch(observe, expect, rng):
    formulas = "a.tanh() * b", "(a * b).tanh() + a", "a.tanh() + a"
    message = "tanh is flat where it is near 1 or -1. Which of your two numbers tells how near it is?"
    agree_with_torch(observe, expect, formulas, letters(*numbers(rng, 2)), message)


@part("tanh_relu")
def test_relu_opens_and_shuts_by_its_input(observe, expect, rng):
    a, b = (abs(x) for x in numbers(rng, 2))
    message = "What went in and what came back both have a sign. Which of the two may shut the road?"
    for x, y in ((a, b), (a, -b), (-a, b), (-a, -b)):
        agree_with_torch(observe, expect, ["a.relu() * b + a * b"], letters(x, y), message)


@part("tanh_relu")
def test_relu_is_shut_at_zero(observe, expect, rng):
    message = "At 0 the stub fixes the slope. Which side does 0 belong to?"
    agree_with_torch(observe, expect, ["a.relu() * b"], letters(0.0, *numbers(rng, 1)), message)


@part("tanh_relu")
def test_a_small_network_agrees_with_torch(observe, expect, rng):
    formula = "((a * 0.7 + b).tanh() * c + (a * -1.1 + d).relu() * e + (b * d + 3).relu() * (c * e).tanh() + f).tanh()"
    message = "Each function is right alone? Then look where a number is used twice."
    agree_with_torch(observe, expect, [formula], letters(*numbers(rng, 6)), message)


@part("gradient_check")
def test_the_disagreement_of_cubes_is_known(observe, expect, rng):
    x, h = numbers(rng, 3, 0.7, 1.5), float(rng.uniform(0.3, 0.5))
    x[1] /= 4
    message = (
        "On x³ the engine says 3x² and two-sided nudges 3x² + h². What is the largest disagreement over the inputs?"
    )
    for kind, lean in (("cubes", 0), ("leaning cubes", -9)):
        got = observe(disagreement, kind, x, h)
        pairs = [(abs(3 * y**2 + lean), abs(3 * y**2 + lean + h**2)) for y in x]
        expect(got, {"disagreement": max(h**2 / max(1, *pair) for pair in pairs), "point": x}, message)


@part("gradient_check")
def test_a_lost_slope_is_found(observe, expect, rng):
    for x in (numbers(rng, 3, 1.5, 4.0), numbers(rng, 3, 0.3, 0.9)):
        got = observe(disagreement, "cut", x)
        want = {"disagreement": abs(x[1]) / max(1.0, abs(x[1])), "point": x}
        expect(got, want, "The engine never sees the first input here. How large is what it misses?")


@part("gradient_check")
def test_agreement_is_close_to_zero(observe, expect, rng):
    got = observe(disagreement, "cubes", numbers(rng, 4))
    message = "Both ways are right here, so they should hardly differ. Did each run get fresh leaves?"
    expect(got["disagreement"], 0.0, message, atol=1e-6)
