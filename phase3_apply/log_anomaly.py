"""Find what is odd in a log: templates, sessions, an LSTM on their order, values, and an honest account of all of it.

    fathom run log_anomaly                      # a synthetic release log, to see what comes out
    fathom run log_anomaly app.log --budget 0.01
    fathom run log_anomaly /var/log/app --session 'request=(\\w+)' --labels incidents.csv

It uses your own functions of the lesson where they pass, the reference elsewhere, and says which. The report, with its
pictures, lies in a folder of its own.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # wherever it is started from

import torch

from phase3_apply.anomaly import chapters, detecting, pictures, release_log
from phase3_apply.anomaly.detecting import Tick
from phase3_apply.anomaly.formats import NAMES, named
from phase3_apply.anomaly.lesson import here, lesson
from phase3_apply.anomaly.problems import BadLog, Warnings
from phase3_apply.anomaly.reading import Log, read_log, records_of
from phase3_apply.anomaly.report import Report
from phase3_apply.anomaly.sessions import Labels, Mined, Sessions, apply, grouped, mined, of_keys, read_labels


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line; argparse ends the program where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="fathom run log_anomaly", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("log", nargs="?", help="a log file, or a folder of them; without it, a synthetic release log")
    add("--out", default="log_report", metavar="FOLDER", help="where the report goes (%(default)s)")
    add("--budget", type=share, default=0.03, help="share of good sessions that may ring for nothing (%(default)s)")
    add("--epochs", type=positive, default=10, help="passes over the training windows (%(default)s)")
    add("--history", type=positive, default=10, metavar="LINES", help="how far the model looks back (%(default)s)")
    add(
        "--session",
        type=pattern,
        default="",
        metavar="REGEX",
        help="what tells sessions apart, in a line; its group if it has one",
    )
    add(
        "--labels",
        metavar="FILE",
        help="what is known: a table of sessions or of lines, or for keys a file of faulty sessions",
    )
    add("--format", choices=NAMES, default="", help="what the lines are, where it is not found out")
    add("--seed", type=int, default=0, help="which sessions are held out, and where training begins (%(default)s)")
    return parser.parse_args(words)


def share(text: str) -> float:
    """A share from 0 up to 1."""
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no share from 0 up to but not including 1; 0.03 means 3 in 100")
    return value


def positive(text: str) -> int:
    """A whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def pattern(text: str) -> str:
    """A regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None
    return text


@contextmanager
def progress(what: str) -> Iterator[Tick]:
    """A bar with the time that is left, on a terminal; else a line every ten seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    screen = Console(stderr=True)
    if screen.is_terminal:
        with Progress(TextColumn(what), BarColumn(), TimeRemainingColumn(), console=screen, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    begun = said = time.monotonic()

    def tick(done: int, total: int) -> None:
        nonlocal said
        if done and time.monotonic() - said > 10:
            said = time.monotonic()
            print(f"{what}: {done / total:.0%}, {(said - begun) * (total - done) / done:.0f} s left", file=sys.stderr)

    yield tick


def main(words: Sequence[str] | None = None) -> int:
    """Run the program; 2 where the log or an option is no good."""
    asked = parsed(words)
    warnings = Warnings()
    torch.set_num_threads(min(2, torch.get_num_threads()))  # small products: more threads wait for each other
    try:
        place = run(asked, warnings)
    except BadLog as error:
        print(f"log_anomaly: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"log_anomaly: the report could not be written to {asked.out} ({error.strerror or error}).", file=sys.stderr
        )
        return 2
    print(f"\nThe report: {place}")
    return 0


def run(asked: argparse.Namespace, warnings: Warnings) -> Path:
    """From a log to a report."""
    log, labels, name = opened(asked, warnings)
    code_of = lesson()
    report = Report(here(asked.out))
    report.folder.mkdir(parents=True, exist_ok=True)
    pictures.begin()
    found: Mined | None = None
    if log.keyed:
        keys, names = of_keys([*log.keyed, *labels.keyed])
        sessions = Sessions([f"session {i + 1:,}" for i in range(len(keys))], keys, [], [False] * len(keys))
        sessions.faults = [i >= len(log.keyed) for i in range(len(keys))]
        sessions.labelled = bool(labels.keyed)
    else:
        with progress("mining templates") as tick:
            found = mined(code_of, [record.text for record in log.records], tick)
        names = found.templates
        sessions = grouped(code_of, log, found.keys, warnings)
        apply(labels, log, sessions, warnings)
    K = len(names)
    names = [*names, "(the session ends)"]
    sides = detecting.dealt(code_of, sessions, asked.seed)
    lines = sum(map(len, sessions.keys))
    kinds = ", ".join(sorted(set(log.formats)))
    report.say(f"# What is odd in {name}")
    text = f"{lines:,} lines ({kinds}), {K:,} templates, {len(sessions.keys):,} sessions"
    what = (
        f", {sum(sessions.faults):,} of them known to be faulty."
        if sessions.labelled
        else "; nothing is known of faults."
    )
    report.say(text + what)
    print(text + what)
    report.numbers |= {"lines": lines, "templates": K, "sessions": len(sessions.keys), "faulty": sum(sessions.faults)}
    with progress("training") as tick:
        kept = detecting.side(sessions, sides.train)
        detector = detecting.train(code_of, *kept, K, asked.history, asked.epochs, asked.seed, tick)
    judged = detector.judge(sessions.keys, sessions.open)
    threshold, table = chapters.compared(code_of, detector, judged, sessions, sides, asked.budget)
    chapters.on_methods(report, table, threshold, judged, sides, sessions, asked.budget, warnings)
    chapters.on_alarms(report, detector, judged, sessions, sides, names, log, threshold)
    if found is not None:
        chapters.on_values(report, code_of, found, log)
    with progress("training once more, with the leak") as tick:
        leak = detecting.leaked(code_of, sessions, K, asked.history, asked.epochs, asked.seed, tick)
    chapters.on_leak(report, leak, detector, sessions, sides)
    if found is not None:
        chapters.on_templates(report, found, labels)
        chapters.on_drift(report, code_of, found, log, sessions, judged, threshold, warnings)
    if warnings.given:
        report.say("## Warnings", *(f"- **{kind}**: {text}" for kind, text in warnings.given))
    report.numbers["warnings"] = [kind for kind, _ in warnings.given]
    return report.save()


def opened(asked: argparse.Namespace, warnings: Warnings) -> tuple[Log, Labels, str]:
    """The log and its labels; the synthetic one where none is named."""
    if asked.log is not None:
        log = read_log(here(asked.log), asked.session, asked.format, warnings)
        return log, read_labels(here(asked.labels), log, warnings) if asked.labels else Labels(), Path(asked.log).name
    lines, releases = release_log()
    records = records_of(lines, Path("the release log"), named("dated"), asked.session, r"rel-\d+", warnings)
    labels = Labels(sessions={release.id: bool(release.fault) for release in releases})
    return Log(records, formats=["dated"]), labels, "a synthetic release log"


if __name__ == "__main__":
    sys.exit(main())
