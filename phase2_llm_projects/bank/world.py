"""The whole world, or a part of it with data of one's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phase2_llm_projects.bank import agents, incidents, notes, own, runbooks, scripts
from phase2_llm_projects.bank.people import DATA, Labelled, Span

HELD_OUT = ("notes", "incidents", "scripts")


@dataclass(frozen=True)
class World:
    """Everything there is to learn from; nothing in it is held out."""

    seed: int
    incidents: tuple[incidents.Incident, ...]
    runbooks: tuple[runbooks.Runbook, ...]
    scripts: tuple[scripts.Script, ...]
    agents: tuple[agents.Agent, ...]
    notes: tuple[Labelled, ...]


def load(
    seed: int = 0,
    *,
    scripts: str | Path | None = None,
    cases: str | Path | None = None,
    docs: str | Path | None = None,
) -> World:
    """Make the world of a seed; a folder given for scripts, cases or docs takes the place of the invented ones.

    Raises BadData where a folder is missing or holds nothing of its kind, or a file is empty or not UTF-8.
    """
    return World(
        seed=seed,
        incidents=incidents.incidents(seed) if cases is None else own.own_cases(cases),
        runbooks=runbooks.runbooks(seed) if docs is None else own.own_docs(docs),
        scripts=made_scripts(seed) if scripts is None else own.own_scripts(scripts),
        agents=agents.agents(),
        notes=notes.notes(seed),
    )


def made_scripts(seed: int) -> tuple[scripts.Script, ...]:
    """The invented scripts (`load` has an argument of the module's name)."""
    return scripts.scripts(seed)


def held_out(name: str) -> list[dict[str, Any]]:
    """The rows of a held-out set, written from other templates than the world: never train on one.

    notes      {"text", "spans": [[start, end, kind], …], "template", "listed"}: labelled personal data; `listed` says
               whether the first names in it are those of words.FIRST_NAMES
    incidents  {"report", "cause"}: reports to name the root cause of
    scripts    the fields of a Script: requests in other words than those of the world, in the house's own layouts
    """
    if name not in HELD_OUT:
        raise LookupError(f"There is no held-out set {name!r}; there are {', '.join(HELD_OUT)}.")
    lines = (DATA / f"held_out_{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def held_out_notes() -> tuple[Labelled, ...]:
    """The held-out notes as labelled texts."""
    return tuple(Labelled(row["text"], tuple(Span(*span) for span in row["spans"])) for row in held_out("notes"))
