"""Fetch a data set: with progress, resumed where a download was cut, and kept only if its checksum is right."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from autograder.datasets.cache import found, home, sha256
from autograder.datasets.registry import Dataset

BLOCK = 1 << 16
SECONDS = 30.0

Tick = Callable[[int, int], None]  # bytes that are here, of how many


class FetchFailed(OSError):
    """A download that did not end in the right file, and what to do about it."""


def fetch(entry: Dataset, tick: Tick = lambda done, total: None) -> Path:
    """Download a data set into `home()`, or take up a download that was cut; returns the file.

    Raises FetchFailed: no network, an answer that is not the file, a wrong checksum (the bytes are then removed), a
    disk that refuses. The file appears under its name only when it is whole and right.
    """
    place = home() / entry.file
    if found(entry) is not None and sha256(place) == entry.sha256:
        return place
    part = place.with_name(place.name + ".part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        download(entry, part, tick)
        if part.stat().st_size < entry.size:
            raise FetchFailed(
                f"{entry.name}: the connection ended after {part.stat().st_size} of {entry.size} bytes; "
                f"run `fathom data fetch {entry.name}` again and it goes on from there"
            )
        if sha256(part) != entry.sha256:
            part.unlink()
            raise FetchFailed(
                f"{entry.name}: what came from {entry.address} is not the file this lesson was written for (its sha256 "
                "differs), so it was removed; a proxy's login page is the usual cause"
            )
        part.replace(place)
    except (urllib.error.URLError, HTTPException, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        raise FetchFailed(
            f"{entry.name}: {entry.address} could not be read ({reason}); check the network, or put the file into "
            f"{home()} as {entry.file} yourself"
        ) from error
    except FetchFailed:
        raise
    except OSError as error:
        raise FetchFailed(f"{entry.name}: {place} could not be written ({error.strerror or error})") from error
    return place


def download(entry: Dataset, part: Path, tick: Tick) -> None:
    """Append what is missing to `part`; a server that cannot resume sends everything again."""
    have = part.stat().st_size if part.exists() else 0
    if have >= entry.size:
        part.unlink()
        have = 0
    request = urllib.request.Request(entry.address, headers={"Range": f"bytes={have}-"} if have else {})
    with contextlib.closing(urllib.request.urlopen(request, timeout=SECONDS)) as answer:
        resumed = have > 0 and answer.status == 206
        have = have if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            while block := answer.read(min(BLOCK, entry.size + 1 - have)):
                file.write(block)
                have += len(block)
                tick(have, entry.size)
                if have > entry.size:  # not our file; the checksum will say so
                    break
