"""The report's chapters: each says what was found, draws it, and keeps the numbers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from phase3_apply.anomaly import detecting, pictures
from phase3_apply.anomaly.detecting import Detector, Judged, Sides
from phase3_apply.anomaly.problems import Warnings
from phase3_apply.anomaly.reading import Log
from phase3_apply.anomaly.report import Report, code, listing, percent
from phase3_apply.anomaly.sessions import Labels, Mined, Sessions, grouping_accuracy

ALARMS = 20  # that the report explains
LOOKED_AT = 500  # that it chooses them from
DAY = 86400.0


def compared(
    code_of: ModuleType, detector: Detector, judged: Judged, sessions: Sessions, sides: Sides, budget: float
) -> tuple[float, dict[str, tuple[float, float | None]]]:
    """The threshold of surprise, and for each way to detect the share of false alarms and of faults found."""
    table: dict[str, tuple[float, float | None]] = {}
    ways = detecting.without_model(code_of, sessions, sides.train, detector.edge, detector.h)
    for name, alarm in ways.items():
        rung = [[alarm(i) for i in numbers] for numbers in (sides.test, sides.odd)]
        table[name] = sum(rung[0]) / len(rung[0]), sum(rung[1]) / len(rung[1]) if rung[1] else None
    threshold = 0.0
    for name, scores, never in (
        ("LSTM, rank", judged.worst_rank, float(detector.trained.sum())),
        ("LSTM, surprise", judged.worst, math.inf),
    ):
        valid = scores[sides.valid]
        threshold, _ = code_of.alarms(valid, scores[sides.test], budget)
        if threshold >= never:  # so many templates that training never saw that no threshold keeps the budget
            threshold = max((float(score) for score in valid if score < never), default=0.0)
        false, hits = (float((scores[numbers] > threshold).float().mean()) for numbers in (sides.test, sides.odd))
        table[name] = false, hits if sides.odd else None
    return threshold, table


def on_methods(
    report: Report,
    table: dict[str, tuple[float, float | None]],
    threshold: float,
    judged: Judged,
    sides: Sides,
    sessions: Sessions,
    budget: float,
    warnings: Warnings,
) -> None:
    """What needs no model, what the model adds, and what alarms cost."""
    report.say("## The model beside what needs none")
    counts = [len({tuple(sessions.keys[i]) for i in side}) for side in (sides.train, sides.valid, sides.test)]
    report.say(
        f"Trained on {len(sides.train):,} good sessions ({counts[0]:,} distinct); the threshold comes from {len(sides.valid):,} "
        f"({counts[1]:,}), false alarms are counted on {len(sides.test):,} ({counts[2]:,}). No session is on two sides, nor a copy "
        f"of it. The budget is {percent(budget)}."
    )
    if sides.usual:
        report.say(
            f"Kinds of session that were trained on in any case, because more than one in twenty is of this kind: {sides.usual}. "
            "Whether the most usual is normal is no question."
        )
    over = float((judged.worst[sides.valid] > threshold).float().mean())
    if over > budget:
        warnings.warn(
            "budget",
            f"{percent(over)} of the good sessions kept for validation hold a template that training never saw, and these always "
            f"ring, whatever the budget of {percent(budget)}; a longer log would know them",
        )
    heads = ["", "false alarms", *(["faults found"] if sides.odd else [])]
    report.table(heads, [row[: len(heads)] for row in listing(table)])
    width = max(map(len, table))
    print()
    for name, *cells in (heads, *listing(table)):
        print(f"{name:{width}}" + "".join(f"  {cell:>12}" for cell in cells).rstrip())
    pictures.methods(table, budget, report.picture("methods", "false alarms and faults found, by method"))
    odd = judged.worst[sides.odd] if sides.odd else None
    file = report.picture("budget", "alarms against the threshold")
    pictures.budget(judged.worst[sides.valid], judged.worst[sides.test], odd, threshold, budget, file)
    report.numbers |= {"threshold": threshold, "methods": {name: list(values) for name, values in table.items()}}


def on_alarms(
    report: Report,
    detector: Detector,
    judged: Judged,
    sessions: Sessions,
    sides: Sides,
    names: Sequence[str],
    log: Log,
    threshold: float,
) -> None:
    """The worst alarms, each with its first line, what came and what was expected."""
    order = judged.worst.argsort(descending=True, stable=True).tolist()
    ringing = [i for i in order if judged.worst[i] > threshold]
    if ringing:
        report.say(
            "## Alarms", f"{len(ringing):,} of {len(order):,} sessions ring; the worst of each kind, worst first:"
        )
    else:
        report.say("## Alarms", "No session rings. The most surprising ones, for what they are worth:")
    trained_on = set(sides.train)
    kinds: set[tuple[int, int]] = set()
    strips: list[tuple[str, Sequence[int], int | None]] = [
        (f"{sessions.names[i]} (held out)", sessions.keys[i], None) for i in sides.test[:4]
    ]
    for i in ringing[:: 1 + len(ringing) // LOOKED_AT] or order[:5]:
        level = threshold if ringing else min(float(judged.worst[i]) - 1e-4, 1e9)
        why = detector.explain(sessions.keys[i], sessions.open[i], level)
        if why is None or (kind := (why["seen"], why["expected"][0][0])) in kinds:
            continue
        kinds.add(kind)
        known = " · known to be faulty" if sessions.faults[i] else " · was trained on" if i in trained_on else ""
        report.say(*explained(why, sessions, i, names, log, known))
        strips.append((sessions.names[i], sessions.keys[i], why["line"]))
        if len(kinds) == ALARMS:
            break
    file = report.picture("sessions", "sessions as strips of templates")
    pictures.strips(strips[:16], len(names) - 1, file)
    report.numbers["alarms"] = [sessions.names[i] for i in ringing]
    print(f"\n{len(ringing):,} sessions ring" + (f", first {sessions.names[ringing[0]]}" if ringing else ""))


def explained(
    why: dict[str, Any], sessions: Sessions, i: int, names: Sequence[str], log: Log, known: str
) -> Iterator[str]:
    """One alarm in words: where it began, what came there, what was expected."""
    at = why["line"]
    yield f"### {sessions.names[i]}, line {at + 1} of {len(sessions.keys[i])}{known}"
    came = f"- came: {code(names[why['seen']])} ({chance(why['probability'])})"
    if sessions.places and at < len(sessions.places[i]):
        came += f"\n- in full: {code(log.records[sessions.places[i][at]].text)}"
    expected = "; ".join(f"{code(names[key])} ({chance(p)})" for key, p in why["expected"])
    yield f"{came}\n- expected: {expected}"


def chance(probability: float) -> str:
    """A probability, in words where it is none."""
    return (
        "never seen in training" if probability == 0 else f"{probability:.1%}" if probability >= 0.001 else "under 0.1%"
    )


def on_values(report: Report, code_of: ModuleType, found: Mined, log: Log) -> None:
    """Values that are far from what the one before them foretold."""
    odd = detecting.odd_values(code_of, found.keys, found.values)
    report.say(
        "## Values",
        f"{len(odd):,} values of the last quarter are more than 6 sigmas from what the one before foretold.",
    )
    if odd:
        rows = [
            [code(log.records[v.record].text), f"{v.value:g}", f"{v.expected:.4g}", f"{v.z:+.1f}"] for v in odd[:10]
        ]
        report.table(["line", "value", "expected", "sigmas"], rows)
    report.numbers["odd values"] = len(odd)


def on_leak(report: Report, leak: detecting.Leak, detector: Detector, sessions: Sessions, sides: Sides) -> None:
    """What the same model looks like when copies of its training sessions are held out."""
    honest = detector.judge(*detecting.side(sessions, sides.test))
    rows = {"split by session,\nall held out": leak.all}
    if leak.new is not None:
        rows["of these,\nthe ones without twin"] = leak.new
    beyond = float((honest.worst_rank >= detecting.PAPER).float().mean())
    rows["split by\ndistinct session"] = honest.loss, honest.first, beyond
    report.say("## Twins")
    text = f"Held out one by one, {leak.twins:,} of {leak.held_out:,} sessions are copies of a session in training."
    report.say(text + " The same model, trained and tried so, and on those without a twin:")
    print(f"\n{text}")
    table = []
    for name, (loss, first, nine) in rows.items():
        table.append([name.replace("\n", " "), f"{loss:.3f}", percent(first), percent(nine)])
        print(f"{table[-1][0]:40} loss {table[-1][1]}, favourite came {table[-1][2]}, beyond the top 9 {table[-1][3]}")
    report.table(
        ["", "loss per line", "the favourite came", f"sessions with a line beyond the top {detecting.PAPER}"], table
    )
    bars = {name: (loss, first) for name, (loss, first, _) in rows.items()}
    pictures.leak(bars, report.picture("twins", "loss with and without twins"))
    report.numbers["twins"] = {"held out": leak.held_out, "copies": leak.twins, "all": leak.all, "new": leak.new}


def on_templates(report: Report, found: Mined, labels: Labels) -> None:
    """What the miner found, and how right it is where that is known."""
    counts = [0] * len(found.templates)
    for key in found.keys:
        counts[key] += 1
    report.say("## Templates")
    if labels.groups:
        accuracy = grouping_accuracy(found.keys, labels.groups)
        text = (
            f"Grouping accuracy: {accuracy:.3f} ({len(set(labels.groups))} groups in the labels, {len(counts)} found)."
        )
        report.say(text)
        print(f"\n{text}")
        report.numbers["grouping accuracy"] = accuracy
    pictures.templates(found.templates, counts, report.picture("templates", "the most frequent templates"))
    order = sorted(range(len(counts)), key=lambda key: -counts[key])[:50]
    report.table(["lines", "template"], [[f"{counts[key]:,}", code(found.templates[key])] for key in order])


def on_drift(
    report: Report,
    code_of: ModuleType,
    found: Mined,
    log: Log,
    sessions: Sessions,
    judged: Judged,
    threshold: float,
    warnings: Warnings,
) -> None:
    """How much of each day, or of each twentieth of the log, is written by templates that its first half did not have."""
    times = [record.time for record in log.records]
    jumped = any(kind == "clock" for kind, _ in warnings.given)
    begun = min((t for t in times if t is not None), default=0.0)
    days = [0 if t is None else int((t - begun) // DAY) for t in times]
    what = "day"
    if jumped or not 2 < len(set(days)) < 400:
        what, days = "twentieth of the log", [i * 20 // len(times) for i in range(len(times))]
    order = {day: n for n, day in enumerate(sorted(set(days)))}
    slices: list[list[int]] = [[] for _ in order]
    for day, key in zip(days, found.keys, strict=True):
        slices[order[day]].append(key)
    half = max(1, len(slices) // 2)
    shares = code_of.unseen_share(slices, {key for keys in slices[:half] for key in keys})
    rung: dict[int, list[bool]] = defaultdict(list)
    for i, places in enumerate(sessions.places):
        rung[order[days[places[0]]]].append(bool(judged.worst[i] > threshold))
    alarms = [sum(rung[n]) / len(rung[n]) if rung[n] else 0.0 for n in range(len(slices))]
    worst = max(range(len(shares)), key=lambda n: shares[n])
    report.say(
        "## Drift", f"The largest share of lines with a template that the first half had not: {percent(shares[worst])}."
    )
    pictures.drift(shares, alarms, what, half, report.picture("drift", "unseen templates over time"))
    report.numbers["drift"] = [float(value) for value in shares]
