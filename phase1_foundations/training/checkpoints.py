"""Checkpoints: whole or not there. Each file says how long it is and what it hashes to; the newest good one is found."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from training.trouble import Trouble

MAGIC = b"fathom train_gpt 1\n"
HEAD = len(MAGIC) + 8 + 32  # then the length in 8 bytes, the sha256 in 32, and what torch.save wrote
NAME = re.compile(r"step-(\d{8})\.ckpt")


class Bad(Exception):
    """Why a file is no checkpoint."""


def place_of(folder: Path, step: int) -> Path:
    """The file of a step's checkpoint."""
    return folder / f"step-{step:08}.ckpt"


def existing(folder: Path) -> list[Path]:
    """All checkpoints of a folder, the newest first."""
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if NAME.fullmatch(p.name)), reverse=True)


def packed(content: Mapping[str, Any]) -> bytes:
    """A checkpoint's bytes."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    body = buffer.getvalue()
    return MAGIC + len(body).to_bytes(8, "little") + hashlib.sha256(body).digest() + body


def unpacked(raw: bytes) -> dict[str, Any]:
    """What a checkpoint's bytes hold; Bad says what is wrong with them. No code in them is ever run."""
    if not raw.startswith(MAGIC[: len(raw)]) or not raw:
        raise Bad("empty" if not raw else "not a checkpoint of this program")
    if len(raw) < HEAD:
        raise Bad(f"truncated: {len(raw):,} bytes")
    length = int.from_bytes(raw[len(MAGIC) : len(MAGIC) + 8], "little")
    body = memoryview(raw)[HEAD:]
    if len(body) != length:
        raise Bad(f"truncated: {len(body):,} of {length:,} bytes" if len(body) < length else "longer than it says")
    if hashlib.sha256(body).digest() != raw[HEAD - 32 : HEAD]:
        raise Bad("damaged: its checksum is another")
    found = torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
    assert isinstance(found, dict)
    return found


def save(folder: Path, step: int, content: Mapping[str, Any], write_whole: Callable[..., object], keep: int) -> Path:
    """Write a checkpoint, then remove all but the newest `keep`; Trouble where the disk refuses."""
    place, raw = place_of(folder, step), packed(content)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(str(place), raw)
    except OSError as error:
        older = existing(folder)
        safe = f"the last good one is {older[0]}" if older else "there is none yet"
        raise Trouble(
            f"the checkpoint {place} could not be written: {error.strerror or error}. It takes {len(raw) / 1e6:.1f} MB; {safe}. "
            "Make room, then go on with --resume"
        ) from None
    for old in existing(folder)[keep:]:
        old.unlink(missing_ok=True)
    return place


def good(folder: Path, tell: Callable[[str], object]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The good checkpoints, newest first; bad ones are named."""
    for place in existing(folder):
        try:
            yield place, unpacked(place.read_bytes())
        except OSError as error:
            tell(f"{place} is passed over: {error.strerror}")
        except Bad as error:
            tell(f"{place} is passed over: {error}")
        except Exception as error:  # right checksum, and torch cannot read it: written by another version
            tell(f"{place} is passed over: torch {torch.__version__} cannot read it ({type(error).__name__})")


def newest(folder: Path, tell: Callable[[str], object]) -> tuple[Path, dict[str, Any]]:
    """The newest good checkpoint, or Trouble."""
    bad: list[str] = []
    for found in good(folder, bad.append):
        for sentence in bad:
            tell(sentence)
        return found
    if bad:
        raise Trouble(f"there is no good checkpoint in {folder}: {'; '.join(bad)}")
    raise Trouble(f"there is no checkpoint in {folder}; train without --resume first, or name the folder with --out")


def clean(folder: Path) -> None:
    """Remove what a process that was killed while it wrote has left behind."""
    for part in folder.glob("*.part"):
        part.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Remove all checkpoints."""
    for place in existing(folder):
        place.unlink(missing_ok=True)
