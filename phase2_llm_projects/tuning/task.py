"""The two tasks: requests to be answered with a script, and text as it was before."""

from __future__ import annotations

from dataclasses import dataclass

from training.trouble import Trouble

from autograder.datasets import python_prose
from phase2_llm_projects import bank
from tuning.settings import Settings


@dataclass(frozen=True)
class Job:
    """A request, and the script that answers it."""

    request: str
    script: str
    language: str

    @property
    def asked(self) -> str:
        """What the model is shown."""
        return f"Write a {self.language} script. {self.request}\n"


@dataclass(frozen=True)
class Task:
    """What is learned, what is held out, and where both come from."""

    training: tuple[Job, ...]
    held_out: tuple[Job, ...]
    source: str


def jobs(asked: Settings) -> Task:
    """The bank's scripts, held out its requests in other words; or one in five of the user's own."""
    wanted = ("python", "shell") if asked.language == "both" else (asked.language,)
    try:
        own = bank.load(scripts=asked.scripts or None).scripts
    except bank.BadData as error:
        raise Trouble(str(error)) from None
    found = [Job(s.request, s.text, s.language) for s in own if s.language in wanted]
    if not asked.scripts:
        rows = (row for row in bank.held_out("scripts") if row["language"] in wanted)
        fresh = tuple(Job(row["request"], row["text"], row["language"]) for row in rows)
        return Task(tuple(found), fresh, "the bank's scripts; held out: requests in other words, for the same kinds")
    if len(found) < 5:
        raise Trouble(
            f"{asked.scripts} holds {len(found)} scripts in {' and '.join(wanted)}, and 5 are the least to learn from and "
            "to hold out; try --language both, or another folder"
        )
    return Task(
        tuple(job for n, job in enumerate(found) if n % 5),
        tuple(found[::5]),
        f"{asked.scripts}, one script in five held out",
    )


def prose() -> str:
    """What the old task is measured on where nobody knows what a model was trained on: Python's help."""
    return python_prose()[-60_000:]


def corpus() -> str:
    """What our own GPT is trained on: Python's help, the bank's runbooks and incidents, and its scripts, without requests."""
    world = bank.load()
    texts = [runbook.text for runbook in world.runbooks] + [incident.report.text for incident in world.incidents]
    scripts = [script.text for script in world.scripts]
    parts = [*(texts[n::30] for n in range(30))]
    mixed = [text for n, part in enumerate(parts) for text in (*part, *scripts[n::30])]
    return "\n\n".join(mixed) + "\n\n" + python_prose()[:150_000]
