"""A bank that does not exist: incidents, runbooks, release scripts, agents and labelled personal data, all invented.

    from phase2_llm_projects import bank
    world = bank.load()                      # the same for everybody
    world = bank.load(scripts="~/releases")  # with your own scripts in the place of the invented ones
    test = bank.held_out("notes")            # never to be trained on

`python -m phase2_llm_projects.bank` shows what is in it.
"""

from phase2_llm_projects.bank.agents import Agent, Tool
from phase2_llm_projects.bank.incidents import Incident
from phase2_llm_projects.bank.looking import IBAN_LENGTHS, PATTERNS, capital_runs, personal
from phase2_llm_projects.bank.own import BadData
from phase2_llm_projects.bank.people import KINDS, Labelled, Span
from phase2_llm_projects.bank.runbooks import Runbook
from phase2_llm_projects.bank.scripts import Script
from phase2_llm_projects.bank.words import CUES, FIRST_NAMES, MISLEADING, PARTICLES, SURNAMES
from phase2_llm_projects.bank.world import World, held_out, held_out_notes, load

__all__ = [
    "CUES",
    "FIRST_NAMES",
    "IBAN_LENGTHS",
    "KINDS",
    "MISLEADING",
    "PARTICLES",
    "PATTERNS",
    "SURNAMES",
    "Agent",
    "BadData",
    "Incident",
    "Labelled",
    "Runbook",
    "Script",
    "Span",
    "Tool",
    "World",
    "capital_runs",
    "held_out",
    "held_out_notes",
    "load",
    "personal",
]
