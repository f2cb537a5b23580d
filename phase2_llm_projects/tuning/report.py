"""The report: Markdown, pictures beside it, the scripts as files, and the numbers for programs."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import matplotlib
from training.progress import clock
from training.trouble import Trouble

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from autograder.render.colours import COLOURS
from tuning.run import Outcome
from tuning.trying import Written, kept_names, share

INK, BLUE, ORANGE, GREEN = COLOURS[:4]


def report(outcome: Outcome, out: Path) -> Path:
    """Write everything into a folder; returns the report's path."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        pictures(outcome, out)
        keep_scripts(outcome.after.written, out / "scripts")
        (out / "numbers.json").write_text(json.dumps(numbers(outcome), indent=1) + "\n", encoding="utf-8")
        place = out / "report.md"
        place.write_text(text(outcome), encoding="utf-8")
    except OSError as error:
        raise Trouble(
            f"the report could not be written to {out}: {error.strerror or error}; name another --out"
        ) from None
    return place


def numbers(outcome: Outcome) -> dict[str, object]:
    """What was measured, by name."""

    def of(written: tuple[Written, ...]) -> dict[str, object]:
        return {name: [getattr(w, name) for w in written] for name in ("parses", "runs", "ended")}

    asked = {k: str(v) if isinstance(v, Path) else v for k, v in dataclasses.asdict(outcome.asked).items()}
    return {
        "asked": asked,
        "model": outcome.subject.name,
        "trained": outcome.trained,
        "parameters": outcome.total,
        "losses": list(outcome.losses),
        "before": {"new": outcome.before.new, "old": outcome.before.old, **of(outcome.before.written)},
        "after": {"new": outcome.after.new, "old": outcome.after.old, **of(outcome.after.written)},
        "names kept": [kept_names(outcome.before.written), kept_names(outcome.after.written)],
        "adapters off": {"new": outcome.off.new, "old": outcome.off.old},
        "singular values": outcome.subject.singular_values(),
        "seconds": outcome.seconds,
    }


def keep_scripts(written: tuple[Written, ...], folder: Path) -> None:
    """The scripts that were written after tuning, one file each; those of an earlier run are removed."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("[0-9][0-9].*"):
        old.unlink()
    for number, one in enumerate(written, 1):
        ending = "sh" if one.job.language == "shell" else "py"
        (folder / f"{number:02}.{ending}").write_text(one.text, encoding="utf-8")


def pictures(outcome: Outcome, out: Path) -> None:
    """Three pictures that suit light pages and dark ones."""
    keys = ("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color")
    style: Any = dict.fromkeys(keys, INK) | {
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    with plt.rc_context(style):
        for name, draw in (("learning", learning), ("before_and_after", before_and_after), ("rank", rank)):
            fig, ax = plt.subplots(figsize=(6.5, 3.4))
            draw(ax, outcome)
            fig.tight_layout()
            fig.savefig(out / f"{name}.png", dpi=120, transparent=True)
            plt.close(fig)


def learning(ax: Axes, outcome: Outcome) -> None:
    """The loss of every step, and its mean over a tenth of them."""
    losses = outcome.losses
    width = max(1, len(losses) // 20)
    smooth = [
        sum(losses[max(0, n - width) : n + 1]) / len(losses[max(0, n - width) : n + 1]) for n in range(len(losses))
    ]
    ax.plot(range(1, len(losses) + 1), losses, color=BLUE, alpha=0.35, linewidth=1)
    ax.plot(range(1, len(losses) + 1), smooth, color=BLUE)
    ax.set(xlabel="step", ylabel="loss on answers", title=f"Tuning at rank {outcome.asked.rank}")


def before_and_after(ax: Axes, outcome: Outcome) -> None:
    """Held-out losses on both tasks."""
    values = {
        "before": (outcome.before.new, outcome.before.old),
        "after": (outcome.after.new, outcome.after.old),
        "adapters off": (outcome.off.new, outcome.off.old),
    }
    for n, ((name, pair), colour, hatch) in enumerate(
        zip(values.items(), (INK, ORANGE, GREEN), ("", "//", ".."), strict=True)
    ):
        bars = ax.bar(
            [x + 0.27 * (n - 1) for x in range(2)], pair, 0.25, color=colour, hatch=hatch, edgecolor="white", label=name
        )
        ax.bar_label(bars, fmt="%.2f", color=INK, fontsize=8)
    ax.set_xticks(range(2), ["new task: scripts", "old task"])
    ax.margins(y=0.3)
    ax.set(ylabel="held-out loss", title="Learned, and forgotten")
    ax.legend(ncols=3, loc="upper center")


def rank(ax: Axes, outcome: Outcome) -> None:
    """How the updates use their rank."""
    for (name, values), colour, marker in zip(
        outcome.subject.singular_values().items(), (BLUE, ORANGE, GREEN), "os^", strict=False
    ):
        ax.plot(range(1, len(values) + 1), values, marker + "-", color=colour, label=name)
    ax.set(xlabel="number", ylabel="singular value", title="How the updates use their rank")
    ax.set_ylim(bottom=0)
    if ax.lines:
        ax.legend(fontsize=8)


def perplexity(loss: float) -> str:
    return f"{math.exp(loss):.1f}" if loss < 20 else "over 10⁸"


def text(outcome: Outcome) -> str:
    """The report in Markdown."""
    asked, before, after, off = outcome.asked, outcome.before, outcome.after, outcome.off
    forgot = after.old - before.old
    verdict = "got worse by" if forgot > 0 else "got better by"
    lines = [
        f"# {outcome.subject.name}, tuned by LoRA",
        "",
        f"{outcome.trained:,} numbers were trained beside {outcome.total:,} that stayed as they were "
        f"({outcome.trained / outcome.total:.2%}): rank {asked.rank}, alpha {asked.alpha:g}, {asked.steps} steps of "
        f"{asked.batch} rows, in {clock(outcome.seconds)} all told. {outcome.subject.note}".rstrip(),
        "",
        f"Data: {outcome.task.source}."
        + (
            f" {outcome.left_out} scripts were too long for {outcome.subject.context} tokens and left out."
            if outcome.left_out
            else ""
        ),
        "",
        "| held out | before | after | adapters off |",
        "|---|---|---|---|",
        f"| loss on scripts | {before.new:.3f} | {after.new:.3f} | {off.new:.3f} |",
        f"| loss on the old task | {before.old:.3f} | {after.old:.3f} | {off.old:.3f} |",
        f"| perplexity on the old task | {perplexity(before.old)} | {perplexity(after.old)} | {perplexity(off.old)} |",
        *(
            f"| scripts that {what} | {share([getattr(w, name) for w in before.written])} | "
            f"{share([getattr(w, name) for w in after.written])} | |"
            for name, what in (("ended", "come to an end"), ("parses", "parse"), ("runs", "run dry in the sandbox"))
        ),
        f"| names and numbers of the requests in their commands | {kept_names(before.written)} | "
        f"{kept_names(after.written)} | |",
        "",
        f"The old task {verdict} {abs(forgot):.3f} nats. With the adapters switched off it is where it was.",
        "",
        "Python is parsed by `ast` and run dry in a sandbox without network, files or other programs; shell is read by "
        "`bash -n` and not run. Whether a script does what was asked, neither says: read it.",
        "",
        "![loss while tuning](learning.png)",
        "",
        "![losses before and after](before_and_after.png)",
        "",
        "![singular values of three updates](rank.png)",
        "",
        "## Samples",
        "",
    ]
    for one, other in list(zip(before.written, after.written, strict=True))[:4]:
        lines += [f"**{other.job.request}**", ""]
        for name, which in (("Before", one), ("After", other)):
            lines += [f"{name} ({state(which)}):", "", *fenced(which.text, which.job.language), ""]
    lines += [f"All {len(after.written)} scripts are in `scripts`, the adapters in `{outcome.saved}`.", ""]
    return "\n".join(lines)


def fenced(script: str, language: str) -> list[str]:
    """A code block that nothing in the script can end."""
    longest = max((len(run) for run in script.replace("`", " ` ").split() if set(run) == {"`"}), default=0)
    fence = "`" * max(4, longest + 1, script.count("`") + 1 if "```" in script else 0)
    shown = script if len(script) <= 1500 else script[:1500] + "\n…"
    return [f"{fence}{language}", *shown.rstrip().splitlines(), fence]


def state(one: Written) -> str:
    """What became of a script, in words."""
    if one.parses is None:
        return "not tried"
    if not one.parses:
        return f"does not parse: {one.said}"
    return "parses" if one.runs is None else "parses and runs" if one.runs else f"parses, does not run: {one.said}"
