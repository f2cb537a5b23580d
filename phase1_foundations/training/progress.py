"""What is seen of a run: one line that moves on a terminal, plain lines elsewhere, and a log for programs."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from training.trouble import Trouble


class Meter:
    """Tells how a run goes; a silent one tells nothing."""

    def __init__(self, total: int, start: int, silent: bool) -> None:
        self.console = Console(highlight=False, soft_wrap=True, quiet=silent)
        self.total, self.silent, self.done = total, silent, start
        self.live = self.console.is_terminal and not silent
        columns = (
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=self.console, disable=not self.live)
        self.task = self.bar.add_task("", total=total, completed=start)
        self.clock, self.seconds, self.counted = time.perf_counter(), 0.0, 0

    def say(self, text: str) -> None:
        """A line of its own."""
        self.console.print(text, markup=False)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While the bar is shown."""
        with self.bar:
            self.clock = time.perf_counter()
            yield

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """What happens meanwhile is not training, and not counted in its speed."""
        began = time.perf_counter()
        yield
        self.clock += time.perf_counter() - began

    def step(self, step: int, loss: float, norm: float, rate: float, tokens: int) -> float:
        """Tell where the run is, `tokens` after the last time; returns tokens a second since then."""
        now = time.perf_counter()
        seconds, self.clock = max(now - self.clock, 1e-9), now
        self.seconds, self.counted = self.seconds + seconds, self.counted + step - self.done
        self.done = step
        left = (self.total - step) * self.seconds / self.counted
        told = f"loss {loss:.4f}  norm {norm:.2f}  rate {rate:.1e}  {tokens / seconds:,.0f} tokens/s"
        if self.live:
            self.bar.update(self.task, completed=step, description=told)
        else:
            self.say(f"step {step}/{self.total}  {told}  {clock(left)} left")
        return tokens / seconds


def clock(seconds: float) -> str:
    """A duration for people: 9 s, 2:05 min, 3:10 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60}:{whole % 60:02} min" if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02} h"


class Log:
    """One line of JSON a step; a resumed run continues it from the step that it begins with."""

    def __init__(self, place: Path, start: int) -> None:
        self.place = place
        kept = []
        if start and place.exists():
            for line in place.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError):  # the last line may be half written
                    if json.loads(line)["step"] < start:
                        kept.append(line + "\n")
        self.write("".join(kept), "w")

    def write(self, text: str, mode: str = "a") -> None:
        """Append text; Trouble where the disk refuses."""
        try:
            with self.place.open(mode, encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise Trouble(
                f"the log {self.place} could not be written: {error.strerror or error}; make room there"
            ) from None

    def steps(self, first: int, losses: list[float], norms: list[float], rates: list[float]) -> None:
        """What the steps from `first` on have come to."""
        rows = zip(losses, norms, rates, strict=True)
        self.write(
            "".join(
                json.dumps({"step": first + number, "loss": loss, "norm": norm, "rate": rate}) + "\n"
                for number, (loss, norm, rate) in enumerate(rows)
            )
        )
