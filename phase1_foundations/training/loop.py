"""The loop: step after step, with a look at the loss, an evaluation and a checkpoint now and then."""

from __future__ import annotations

import contextlib
import math
import signal
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from training.progress import Log, Meter
from training.run import Pair, Run
from training.trouble import Trouble
from training.writing import opening, write


def train(run: Run, meter: Meter) -> None:
    """All the steps that are left."""
    config, lesson, group = run.config, run.parts.lesson, run.group
    last = min(config.stop_after or config.steps, config.steps)
    held_out = run.held_out() if group.first else []
    log = Log(run.folder / "log.jsonl", run.start) if group.first else None
    synchronise = group.average_gradients if group.size > 1 else None
    seen: list[tuple[Tensor, Tensor, float]] = []
    step = run.start
    run.model.train()
    with meter.running(), asked_to_stop(group.size == 1) as asked:
        while step < last and not asked:
            rate = lesson.learning_rate(step, config.lr, config.min_lr, config.warmup, config.steps)
            batches = run.micro_batches()
            loss, norm = lesson.train_step(run.model, run.optimizer, batches, rate, config.clip, synchronise)
            seen.append((torch.as_tensor(loss), torch.as_tensor(norm), rate))
            step += 1
            if step % config.log_every == 0 or step == last or due(step, config.save_every):
                look(run, meter, log, step, seen)
            with meter.pause():
                if due(step, config.eval_every) and step < last:
                    evaluate(run, meter, held_out, step)
                if due(step, config.save_every) and step < last:
                    run.save(step)
        look(run, meter, log, step, seen)
        if step > run.start:
            run.save(step)
        if asked:
            meter.say(f"interrupted after {step} steps, and saved: --resume goes on")
            raise KeyboardInterrupt
    evaluate(run, meter, held_out, step)


@contextlib.contextmanager
def asked_to_stop(alone: bool) -> Iterator[list[int]]:
    """Ctrl-C, noted instead of raised: a step is done whole or not at all. The second one is not so patient.

    Several processes would have to agree on the step, so there it just ends the run.
    """
    asked: list[int] = []

    def note(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = signal.signal(signal.SIGINT, note) if alone else None
    try:
        yield asked
    finally:
        if alone:
            signal.signal(signal.SIGINT, before)


def due(step: int, every: int) -> bool:
    """Whether a thing that is done every so many steps is due; 0 is never."""
    return bool(every) and step % every == 0


def look(run: Run, meter: Meter, log: Log | None, step: int, seen: list[tuple[Tensor, Tensor, float]]) -> None:
    """Read the losses since the last look: here the device is waited for."""
    if not seen:
        return
    losses = run.group.average(torch.stack([loss for loss, _, _ in seen]).double()).tolist()
    norms = torch.stack([norm for _, norm, _ in seen]).tolist()
    if not all(map(math.isfinite, losses)):
        first = step - len(seen) + [math.isfinite(loss) for loss in losses].index(False)
        raise Trouble(
            f"the loss of step {first} is not finite; what came after is worth nothing and is not saved. Lower --lr, or look at "
            f"the norms in {run.folder / 'log.jsonl'}; --resume begins at the last checkpoint"
        )
    meter.step(step, sum(losses) / len(losses), norms[-1], seen[-1][2], len(seen) * run.tokens_per_step)
    if log is not None:
        log.steps(step - len(seen), losses, norms, [rate for _, _, rate in seen])
    seen.clear()


def evaluate(run: Run, meter: Meter, held_out: list[Pair], step: int) -> None:
    """The held-out loss and a sample, by the first process."""
    if not run.group.first:
        return
    meter.say(f"step {step}: held-out loss {run.parts.lesson.estimate_loss(run.model, held_out):.4f}")
    small = replace(run.config, tokens=min(run.config.tokens, 120))
    tokenizer = run.text.tokenizer
    sample = write(run.parts, run.model, tokenizer, opening(tokenizer), small, run.config.seed + step)
    meter.say("".join(f"    │ {line}\n" for line in sample.text.strip().splitlines()).rstrip())


def introduced(run: Run, fused: bool) -> str:
    """What is about to happen, in a few lines."""
    config, lesson, gpt = run.config, run.parts.lesson, run.parts.gpt
    shape = run.model.config
    nothing, frequencies = lesson.rungs(
        torch.from_numpy(run.text.tokens[run.text.split :].astype("int64")), shape.vocab_size
    )
    tokens = run.tokens_per_step * config.steps
    bill = lesson.flops_per_token(shape) * tokens
    return "\n".join(
        (
            f"text     {run.text.name}: {len(run.text.tokens):,} tokens, {shape.vocab_size} different ones",
            f"model    {gpt.count_parameters(shape):,} parameters on {run.device}"
            + ("" if fused else ", plain kernels")
            + (f", {run.group.size} processes" if run.group.size > 1 else f", {torch.get_num_threads()} threads"),
            f"budget   {config.steps:,} steps of {run.tokens_per_step:,} tokens: {bill:.1e} operations",
            f"rungs    {nothing:.3f} knows nothing, {frequencies:.3f} knows the frequencies",
            f"kept in  {run.folder}",
        )
    )
