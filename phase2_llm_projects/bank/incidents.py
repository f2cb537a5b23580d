"""Incidents as people report them: the cause is never named, other causes are, and some are told twice."""

from __future__ import annotations

import random
from dataclasses import dataclass

from phase2_llm_projects.bank.causes import CAUSES, Cause
from phase2_llm_projects.bank.drawing import stream
from phase2_llm_projects.bank.people import HARMLESS, Labelled, Makers, Span, fill

COUNT = 360
RETOLD = 5  # every fifth incident is an earlier one once more: half of them word for word but for a few, half in others


@dataclass(frozen=True)
class Incident:
    """One incident.

    report      the text as it came in, with everything personal labelled
    cause       the key of its root cause (causes.py)
    root_cause  the answer in one sentence
    steps       what was done, in order
    same_as     the id of the earlier incident that this one tells again, or ""
    """

    id: str
    service: str
    report: Labelled
    cause: str
    root_cause: str
    steps: tuple[str, ...]
    same_as: str = ""


OPENINGS = (
    "Reported by {name1} ({phone}) at {clock}.",
    "{name1} writes from {email1}:",
    "Opened by {name1} on {day}.",
    "Taken over from {name2}; the customer {name1} waits on {phone}.",
)
CLOSINGS = (
    "{name1} wants a call today.",
    "Customer {name1} with account {account} is one of those affected.",
    "Last seen by {surname1}. See also {ticket}.",
    "Order {order} is an example, trace {trace}.",
    "",
)


def incidents(seed: int = 0, count: int = COUNT) -> tuple[Incident, ...]:
    """All incidents, the causes in equal numbers."""
    rng, found = stream(seed, "incidents"), list[Incident]()
    for number in range(count):
        name = f"INC-{number + 1:04}"
        if number % RETOLD == RETOLD - 1:
            other = found[rng.randrange(max(0, number - 60), number)]
            found.append(retold(rng, name, other))
        else:
            cause = CAUSES[number % len(CAUSES)]
            found.append(incident(rng, name, cause, HARMLESS["service"](rng)))
    return tuple(found)


def incident(rng: random.Random, name: str, cause: Cause, service: str, same_as: str = "") -> Incident:
    """One incident with this cause, in words drawn at random."""
    wrong = rng.choice([other for other in CAUSES if other is not cause])
    sentences = [
        rng.choice(cause.titles) + ".",
        "Affected: {service} {version} on {host} ({ip}).",
        rng.choice(OPENINGS),
        rng.choice(cause.symptoms),
        f"The log says: {rng.choice(cause.logs)}.",
        rng.choice([wrong.suspicion, wrong.suspicion, ""]),
        f"Found so far: {rng.choice(cause.findings)}." if rng.random() < 0.5 else "",
        rng.choice(CLOSINGS),
    ]
    whole = "\n".join(part for part in sentences if part)
    answer = "\0".join(["", rng.choice(cause.verdicts), *cause.steps])
    made = fill(whole + answer, rng, within(rng, service))
    text, root, *steps = made.text.split("\0")
    spans = tuple(span for span in made.spans if span.end <= len(text))
    return Incident(name, service, Labelled(text, spans), cause.key, sentence(root), tuple(steps), same_as)


def within(rng: random.Random, service: str) -> Makers:
    """Makers for one incident: its service is given, the rest is drawn."""
    return Makers(harmless=tuple({**HARMLESS, "service": lambda _: service}.items()))


def retold(rng: random.Random, name: str, other: Incident) -> Incident:
    """An earlier incident once more: in other words, or nearly the same ones."""
    if rng.random() < 0.5:
        cause = next(cause for cause in CAUSES if cause.key == other.cause)
        return incident(rng, name, cause, other.service, other.id)
    text, spans = other.report.text, other.report.spans
    first, rest = text.split("\n", 1)
    new = rng.choice(["Again: ", "Still open: ", "Duplicate? "]) + first[0].lower() + first[1:]
    shift = len(new) - len(first)
    moved = tuple(Span(span.start + shift, span.end + shift, span.kind) for span in spans)
    report = Labelled(f"{new}\n{rest}", moved)
    return Incident(name, other.service, report, other.cause, other.root_cause, other.steps, other.id)


def sentence(text: str) -> str:
    """With a capital first and a full stop."""
    return text[:1].upper() + text[1:] + "."
