"""A synthetic release log: the lines that a deployment tool writes, several releases at once, a few of them wrong.

Nothing in it is anybody's. It is drawn from a seed, so that a figure made today is the figure made tomorrow.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

SERVICES = "payments ledger accounts cards notices fraud mortgage branch".split()
START = datetime(2026, 3, 2, 8)
GAP = 400.0  # seconds between one release's start and the next one's
FAULTS = ("rollback", "no drain", "no canary", "never healthy", "breaks off", "slow restart")
USUAL, SLOW = "{usual}", "{slow}"  # durations are drawn when the lines stand in the order of time
NEW_TOOL = 15  # the day from which the deployment tool is a new version that words its health checks differently


@dataclass(frozen=True)
class Release:
    """One release: its id, the day it began (from 0), and what is wrong with it, "" where nothing is."""

    id: str
    day: int
    fault: str


class Restarts:
    """How long restarts take, in milliseconds: each near the one before it, and all of them wandering around 2000."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.now = rng, 2000.0

    def fill(self, text: str) -> str:
        """Put the next duration into a line that has a place for one."""
        if USUAL not in text and SLOW not in text:
            return text
        self.now = 2000.0 + 0.95 * (self.now - 2000.0) + self.rng.normal(0.0, 60.0)
        return text.replace(USUAL, f"{self.now:.0f}").replace(SLOW, f"{self.now + 600:.0f}")


def release_log(days: int = 20, per_day: int = 60, seed: int = 0) -> tuple[list[str], list[Release]]:
    """Draw a log: its lines in the order of time, and its releases with what is wrong with each.

    A line is `2026-03-02 08:00:00,417 INFO rel-1000 …`. One release in twenty has a fault. From day NEW_TOOL on, the
    wording of a health check changes, which is no fault of any release.
    """
    rng = np.random.default_rng(seed)
    restarts, faults = Restarts(rng), itertools.cycle(FAULTS)
    releases: list[Release] = []
    stamped: list[tuple[datetime, str]] = []
    for day in range(days):
        for slot in range(per_day):
            fault = next(faults) if rng.random() < 0.05 else ""
            release = Release(f"rel-{1000 + len(releases)}", day, fault)
            releases.append(release)
            now = START + timedelta(days=day, seconds=slot * GAP + rng.uniform(0, GAP))
            for text in told(release, rng):
                now += timedelta(seconds=float(rng.exponential(40.0)) + 0.001)
                stamped.append((now, text))
    stamped.sort(key=lambda entry: entry[0])
    return [
        f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d} {restarts.fill(text)}" for now, text in stamped
    ], releases


def told(release: Release, rng: np.random.Generator) -> Iterator[str]:
    """The lines of one release, without their times."""
    id, fault = release.id, release.fault
    service = str(rng.choice(SERVICES))
    yield f"INFO {id} release of {service} build {rng.integers(100, 999)} started by {initials(rng)}"
    yield f"INFO {id} fetched {rng.integers(10**6, 10**8)} bytes from {address(rng)}:8081"
    yield f"INFO {id} checksum 0x{rng.integers(2**28, 2**32):08x} verified"
    for _ in range(rng.choice(5, p=[0.4, 0.25, 0.15, 0.1, 0.1])):
        yield f"INFO {id} migration {rng.integers(1, 400)} applied in {rng.integers(20, 900)} ms"
    if fault == "breaks off":
        return
    yield from on_hosts(release, service, rng)
    if fault == "rollback":
        yield f"ERROR {id} error budget burnt, {service} goes back to build {rng.integers(100, 999)}"
        yield f"WARN {id} rollback of {service} complete"
        return
    if fault != "no canary":
        yield f"INFO {id} canary at {rng.uniform(0.1, 0.9):.2f} percent errors after {rng.choice([120, 300])} s"
    if rng.random() < 0.4:
        yield f"INFO {id} cache of {service} warmed with {rng.integers(1000, 90000)} entries"
    yield f"INFO {id} {service} promoted to {rng.integers(4, 40)} hosts"
    yield f"INFO {id} release of {service} finished"


def on_hosts(release: Release, service: str, rng: np.random.Generator) -> Iterator[str]:
    """Two hosts are drained, restarted and checked: one after the other, or both at once in any order."""
    one_by_one = rng.random() < 0.4
    faulty = int(rng.integers(2)) if release.fault else None
    waiting = [on_one_host(release, service, rng, host == faulty) for host in range(2)]
    while waiting:
        host = waiting[0] if one_by_one else waiting[int(rng.integers(len(waiting)))]
        line = next(host, None)
        if line is None:
            waiting.remove(host)
        else:
            yield line


def on_one_host(release: Release, service: str, rng: np.random.Generator, faulty: bool) -> Iterator[str]:
    """What happens to one host."""
    id, host = release.id, address(rng)
    if not (faulty and release.fault == "no drain"):
        yield f"INFO {id} draining {host}:443"
    milliseconds = SLOW if faulty and release.fault == "slow restart" else USUAL
    yield f"INFO {id} restarted {service} on {host} in {milliseconds} ms"
    new = release.day >= NEW_TOOL
    probe, passed = ("readiness probe at", "ok") if new else ("health check of", "passed")
    failures = 8 if faulty and release.fault == "never healthy" else rng.choice(3, p=[0.75, 0.15, 0.1])
    for _ in range(failures):
        yield f"WARN {id} {probe} {host} not answered, trying again"
    yield f"INFO {id} {probe} {host} {passed} in {rng.integers(5, 90)} ms"


def address(rng: np.random.Generator) -> str:
    """An address in a private network."""
    return ".".join(map(str, (10, *rng.integers(0, 256, 3))))


def initials(rng: np.random.Generator) -> str:
    """Who pressed the button: three letters."""
    return "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 3))
