"""Runbooks: what to do about a cause at one service, from the terse notes of those who did it."""

from __future__ import annotations

from dataclasses import dataclass

from phase2_llm_projects.bank import words
from phase2_llm_projects.bank.causes import CAUSES, Cause
from phase2_llm_projects.bank.drawing import stream
from phase2_llm_projects.bank.people import HARMLESS, SLOT

SERVICES_EACH = 4  # how many services have a runbook of their own for a cause


@dataclass(frozen=True)
class Runbook:
    """A guide in Markdown, the notes that it was written from, and the cause that it is for."""

    id: str
    title: str
    service: str
    cause: str
    notes: tuple[str, ...]
    text: str


INTRODUCTIONS = (
    "Use this guide when you see the following at {service}.",
    "This is for whoever is on duty when {service} shows these signs.",
    "Signs to look for at {service}:",
)
CHECKS = ("Before you change anything, make sure:", "First confirm the cause:", "How to be sure:")
ENDINGS = (
    "Afterwards watch {service} for 30 minutes and close the ticket.",
    "When {service} has been quiet for half an hour, tell the branches.",
    "Leave a note in the ticket with what you did and when.",
)


def runbooks(seed: int = 0) -> tuple[Runbook, ...]:
    """All runbooks, the same number for each cause."""
    rng, found = stream(seed, "runbooks"), list[Runbook]()
    for cause in CAUSES:
        for service in rng.sample(words.SERVICES, SERVICES_EACH):
            number = len(found) + 1
            slots = {key: make(rng) for key, make in HARMLESS.items()} | {"service": service}
            found.append(runbook(f"RB-{number:03}", cause, service, slots, rng.randrange(3)))
    return tuple(found)


def runbook(name: str, cause: Cause, service: str, slots: dict[str, str], style: int) -> Runbook:
    """One runbook, its slots filled alike in notes and guide."""
    title = f"{service}: {cause.key.replace('_', ' ')}"
    finding = cause.findings[style % len(cause.findings)]
    steps = [f"{number}. {step[0].upper()}{step[1:]}." for number, step in enumerate(cause.steps, 1)]
    lines = [
        f"# {title}",
        "",
        INTRODUCTIONS[style],
        *(f"- {symptom}" for symptom in cause.symptoms),
        f"- In the log: `{cause.logs[style % len(cause.logs)]}`",
        "",
        f"{CHECKS[style]} {finding}.",
        "",
        *steps,
        "",
        ENDINGS[style],
    ]
    notes = (f"{service}, {cause.key.replace('_', ' ')}", f"check: {finding}", *cause.steps)
    return Runbook(
        name, title, service, cause.key, tuple(put(note, slots) for note in notes), put("\n".join(lines), slots)
    )


def put(template: str, slots: dict[str, str]) -> str:
    """Fill the harmless slots of a template, with the same values everywhere."""
    return SLOT.sub(lambda slot: slots[slot[1]], template)
