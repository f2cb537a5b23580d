"""One run: load, look, fine-tune, look again, report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from training.progress import Meter, clock
from training.trouble import Trouble

from autograder.observe.client import Zygote
from tuning import trying
from tuning.fitting import fit
from tuning.ours import ours
from tuning.settings import Settings
from tuning.subject import Subject
from tuning.task import Job, Task, jobs
from tuning.theirs import theirs

ROOT = Path(__file__).resolve().parents[2]
MOST_WINDOWS = 32  # of the old task


@dataclass(frozen=True)
class Look:
    """How a model does at one moment: its losses on both tasks, and what it writes."""

    new: float
    old: float
    written: tuple[trying.Written, ...]


@dataclass(frozen=True)
class Outcome:
    """All that a report tells."""

    asked: Settings
    subject: Subject
    task: Task
    left_out: int
    trained: int
    total: int
    losses: tuple[float, ...]
    before: Look
    after: Look
    off: Look  # after, with the adapters switched off: losses only
    seconds: float
    saved: str


def run(asked: Settings, out: Path, home: Path, say: Callable[[str], object] = print) -> Outcome:
    """Fine-tune and look; Trouble where something is to be mended first."""
    began = time.perf_counter()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    work = jobs(asked)
    loaded = theirs(asked) if asked.model else None  # first, for it is what most often is not there
    lesson = carried("lora_finetune")
    subject: Subject = loaded or ours(asked, lesson, carried("gpt"), home, say)
    if subject.note:
        say(f"{subject.name}: {subject.note}.")
    parameters = [p for p in subject.model.parameters() if p.requires_grad]
    trained = sum(p.numel() for p in parameters)
    total = sum(p.numel() for p in subject.model.parameters()) - trained
    training, left_out = fitting(subject, work.training)
    held_out, _ = fitting(subject, work.held_out)
    if not training or not held_out:
        raise Trouble(
            f"none of the scripts fits into --context {subject.context}; take a larger one, or shorter scripts"
        )
    batches = [
        table(lesson, subject, held_out[n : n + asked.batch]) for n in range(0, min(len(held_out), 64), asked.batch)
    ]
    old = old_batches(subject, asked.batch)
    chosen = [job for job in work.held_out if len(subject.prompt(job.asked)) < subject.context][: asked.samples]

    with trying.sandbox(any(job.language == "python" for job in chosen), say) as zygote:

        def look(writes: bool = True) -> Look:
            subject.model.eval()
            written = []
            for number, job in enumerate(chosen if writes else (), 1):
                written.append(write(subject, job, asked.length, zygote))
                if number % 8 == 0 and number < len(chosen):
                    say(f"  {number} of {len(chosen)} scripts written")
            return Look(loss(subject, batches), loss(subject, old), tuple(written))

        say("Before:")
        with subject.without():
            before = look()
        say(told(before))
        say(f"Tuning {trained:,} of {total:,} numbers ({trained / total:.2%}) on {len(training)} scripts.")
        draws = torch.Generator().manual_seed(asked.seed)

        def drawn() -> Tensor:
            at = torch.randint(len(training), (asked.batch,), generator=draws).tolist()
            return mean_loss(subject, *table(lesson, subject, [training[i] for i in at]))

        subject.model.train()
        torch.manual_seed(asked.seed)
        meter = Meter(asked.steps, 0, silent=False)
        losses = fit(parameters, drawn, asked.steps, asked.rate or subject.rate, asked.batch * subject.context, meter)
        say("After:")
        after = look()
        say(told(after))
        with subject.without():
            off = look(writes=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        saved = subject.save(out)
    except OSError as error:
        raise Trouble(
            f"the adapters could not be written to {out}: {error.strerror or error}; name another --out"
        ) from None
    seconds = time.perf_counter() - began
    say(f"Took {clock(seconds)}.")
    return Outcome(asked, subject, work, left_out, trained, total, tuple(losses), before, after, off, seconds, saved)


def carried(name: str) -> Any:
    """An exercise: yours where its parts pass, the reference elsewhere, which is said in print."""
    os.environ.setdefault("FATHOM_ROOT", str(ROOT))
    from autograder import carry
    from autograder.kernel.told import NotJudged

    try:
        return carry(name)
    except (NotJudged, LookupError) as error:
        raise Trouble(str(error)) from None


def fitting(subject: Subject, work: Sequence[Job]) -> tuple[list[tuple[list[int], list[int]]], int]:
    """Requests and answers as tokens, without those that are too long; and how many those are."""
    pairs = [(subject.prompt(job.asked), [*subject.encode(job.script), subject.end]) for job in work]
    kept = [pair for pair in pairs if len(pair[0]) + len(pair[1]) - 1 <= subject.context]
    return kept, len(pairs) - len(kept)


def table(lesson: Any, subject: Subject, pairs: Sequence[tuple[list[int], list[int]]]) -> tuple[Tensor, Tensor]:
    """Pairs as the lesson's rows, no wider than they have to be."""
    widest = max(len(prompt) + len(answer) - 1 for prompt, answer in pairs)
    idx, targets = lesson.rows(list(pairs), widest, subject.pad)
    return idx, targets


def old_batches(subject: Subject, size: int) -> list[tuple[Tensor, Tensor]]:
    """The held-out text of the old task, in windows that do not overlap."""
    tokens, T = torch.tensor(subject.old()), subject.context
    T = min(T, len(tokens) - 1)
    count = min(MOST_WINDOWS, (len(tokens) - 1) // T)
    idx, targets = tokens[: count * T].view(count, T), tokens[1 : count * T + 1].view(count, T)
    return list(zip(torch.split(idx, size), torch.split(targets, size), strict=True))


def mean_loss(subject: Subject, idx: Tensor, targets: Tensor) -> Tensor:
    """Over the targets that are not -1."""
    logits = subject.logits(idx)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten().to(logits.device), ignore_index=-1)


@torch.no_grad()
def loss(subject: Subject, batches: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Over all targets of all batches."""
    counts = [int((targets != -1).sum()) for _, targets in batches]
    sums = [n * mean_loss(subject, *batch).item() for n, batch in zip(counts, batches, strict=True)]
    return sum(sums) / sum(counts)


def write(subject: Subject, job: Job, most: int, zygote: Zygote | None) -> trying.Written:
    """Let the model answer a request, and try what it wrote."""
    tokens = subject.write(subject.prompt(job.asked), most)
    ended = bool(tokens) and tokens[-1] == subject.end
    return trying.tried(job, subject.decode(tokens[:-1] if ended else tokens), ended, zygote)


def told(look: Look) -> str:
    """A look in one line."""
    parses, runs = ([getattr(w, name) for w in look.written] for name in ("parses", "runs"))
    return (
        f"  loss {look.new:.3f} on scripts, {look.old:.3f} on the old task; {trying.share(parses)} scripts parse, "
        f"{trying.share(runs)} run dry"
    )
