"""`python -m phase2_llm_projects.bank`: what is in the world, and a sample of each kind."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from phase2_llm_projects.bank.own import BadData
from phase2_llm_projects.bank.world import HELD_OUT, World, held_out, load


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the summary; 2 where somebody's own data cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m phase2_llm_projects.bank", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="which world (default 0)")
    parser.add_argument("--scripts", metavar="DIR", help="your own scripts: .sh, .bash, .ksh, .py")
    parser.add_argument("--cases", metavar="DIR", help='your own cases: .jsonl, a line {"report": …, "root_cause": …}')
    parser.add_argument("--docs", metavar="DIR", help="your own documents: .md, .txt, .rst")
    parser.add_argument("--samples", type=int, default=1, help="how many samples of each kind to show (default 1)")
    chosen = parser.parse_args(arguments)
    try:
        world = load(chosen.seed, scripts=chosen.scripts, cases=chosen.cases, docs=chosen.docs)
    except BadData as error:
        print(error, file=sys.stderr)
        return 2
    print(table(world))
    for title, texts in samples(world).items():
        for text in texts[: max(chosen.samples, 0)]:
            print(f"\n--- {title} " + "-" * max(1, 70 - len(title)), text.rstrip(), sep="\n")
    return 0


def table(world: World) -> str:
    """How much there is of each kind."""
    kinds = Counter(span.kind for note in world.notes for span in note.spans)
    rows = [
        (
            "incidents",
            len(world.incidents),
            f"{len({i.cause for i in world.incidents})} causes, "
            f"{sum(bool(i.same_as) for i in world.incidents)} told again",
        ),
        ("runbooks", len(world.runbooks), ""),
        (
            "scripts",
            len(world.scripts),
            ", ".join(f"{n} {k}" for k, n in Counter(s.language for s in world.scripts).items()),
        ),
        ("agents", len(world.agents), f"{sum(len(agent.tools) for agent in world.agents)} tools"),
        ("notes", len(world.notes), ", ".join(f"{n} {kind}s" for kind, n in kinds.most_common())),
        *(("held out", len(held_out(name)), name) for name in HELD_OUT),
    ]
    return "\n".join(f"{name:10} {count:5}   {more}".rstrip() for name, count, more in rows)


def samples(world: World) -> dict[str, list[str]]:
    """Texts to look at, by kind."""
    return {
        "incident": [f"{i.report.text}\n=> {i.root_cause}" for i in world.incidents],
        "runbook": [runbook.text for runbook in world.runbooks],
        "script": [f"{script.request}\n=> {script.name}\n{script.text}" for script in world.scripts],
        "agent": [f"{a.name}: {a.description} Tools: {', '.join(t.name for t in a.tools)}." for a in world.agents],
        "note": [note.text for note in world.notes],
    }


if __name__ == "__main__":
    sys.exit(main())
