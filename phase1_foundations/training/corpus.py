"""Text in, tokens out: where the text comes from, how it becomes numbers, and the files that are mapped."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autograder.datasets import NotFetched, dataset, found, path, python_prose
from training.trouble import Trouble

SHAKESPEARE = "tiny_shakespeare"
MOST = 65_536  # different tokens that 16 bits can tell apart


@dataclass(frozen=True)
class Tokenizer:
    """Characters or bytes as numbers; `alphabet` is empty for bytes."""

    alphabet: str

    @property
    def size(self) -> int:
        """V, how many tokens there are."""
        return len(self.alphabet) or 256

    def encode(self, text: str | bytes, what: str = "the text") -> np.ndarray[Any, np.dtype[np.uint16]]:
        """Text as tokens; Trouble names characters that are none of the alphabet."""
        raw = text if isinstance(text, bytes) else text.encode("utf-8" if not self.alphabet else "utf-32-le")
        if not self.alphabet:
            return np.frombuffer(raw, dtype=np.uint8).astype(np.uint16)
        codes = np.frombuffer(raw, dtype=np.uint32)
        known = np.array([ord(character) for character in self.alphabet], dtype=np.uint32)  # sorted
        at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        strange = np.unique(codes[known[at] != codes])
        if len(strange):
            shown = ", ".join(repr(chr(code)) for code in strange[:5]) + (", …" if len(strange) > 5 else "")
            raise Trouble(
                f"{what} has {len(strange)} characters that this model never saw ({shown}): its vocabulary are the "
                f"{len(known)} of the text that it was trained on"
            )
        return at.astype(np.uint16)

    def decode(self, tokens: list[int]) -> str:
        """Tokens as text."""
        if not self.alphabet:
            return bytes(tokens).decode("utf-8", errors="replace")
        return "".join(self.alphabet[token] for token in tokens)


@dataclass(frozen=True)
class Corpus:
    """A text, in tokens: its name, what it hashes to, and how it was made numbers."""

    name: str
    sha256: str
    tokenizer: Tokenizer
    tokens: np.ndarray[Any, np.dtype[np.uint16]]
    note: str = ""

    @property
    def split(self) -> int:
        """The first nine tenths are trained on, the rest is held out."""
        return len(self.tokens) * 9 // 10


def read(data: str, kind: str, saved: Mapping[str, Any] | None = None) -> Corpus:
    """The text that was asked for; with the tokenizer of a checkpoint where there is one."""
    name, raw, note = source(data)
    if not raw:
        raise Trouble(f"{name} is empty; there is nothing to learn from it")
    digest = hashlib.sha256(raw).hexdigest()
    if (saved is not None and saved["kind"] == "bytes") or (saved is None and kind == "bytes"):
        tokenizer = Tokenizer("")
        return Corpus(name, digest, tokenizer, tokenizer.encode(raw), note)
    text = decoded(name, raw)
    alphabet = saved["alphabet"] if saved is not None else "".join(sorted(set(text)))
    if len(alphabet) > MOST:
        raise Trouble(f"{name} has {len(alphabet):,} different characters; --tokenizer bytes reads it")
    tokenizer = Tokenizer(alphabet)
    return Corpus(name, digest, tokenizer, tokenizer.encode(text, name), note)


def source(data: str) -> tuple[str, bytes, str]:
    """Name and bytes of a text, and a word about where it comes from."""
    entry = dataset(SHAKESPEARE)
    if data == "prose":
        return "Python's own help topics", python_prose().encode(), ""
    if not data:
        place = found(entry)
        if place is not None:
            return "tiny Shakespeare", contents(place), ""
        note = f"tiny Shakespeare is not here (`fathom data fetch {SHAKESPEARE}`, {entry.size / 1e6:.1f} MB)"
        return "Python's own help topics", python_prose().encode(), note
    if data in ("shakespeare", SHAKESPEARE):
        try:
            return "tiny Shakespeare", contents(path(SHAKESPEARE)), ""
        except NotFetched as error:
            raise Trouble(f"{error}: --data prose") from None
    return data, contents(Path(data)), ""


def contents(place: Path) -> bytes:
    """A file's bytes, or Trouble."""
    try:
        return place.read_bytes()
    except FileNotFoundError:
        beside = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
        near = difflib.get_close_matches(place.name, beside, 1)
        raise Trouble(
            f"--data {place}: there is no such file{f'; did you mean {place.parent / near[0]}?' if near else ''}"
        ) from None
    except OSError as error:
        raise Trouble(f"--data {place} could not be read: {error.strerror}") from None


def decoded(name: str, raw: bytes) -> str:
    """Bytes as text; Trouble says where they are not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Trouble(
            f"{name} is not UTF-8: byte {error.start:,} (0x{raw[error.start]:02x}, in line {line:,}) is none of it. Save it "
            "as UTF-8, or read it with --tokenizer bytes"
        ) from None


def write(corpus: Corpus, folder: Path, block_size: int) -> None:
    """Put both splits into files that can be mapped; Trouble where they are too short for a window, or do not fit."""
    for name, tokens in splits(corpus).items():
        if len(tokens) <= block_size:
            raise Trouble(
                f"{corpus.name} is too short: its {name} part has {len(tokens):,} tokens, and a context of {block_size} "
                f"needs {block_size + 1}. Take a longer text, or a smaller --block-size"
            )
        place = folder / f"{name}.bin"
        new = place.with_suffix(".bin.part")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tokens.tofile(new)
            os.replace(new, place)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink()
            raise Trouble(
                f"{place} could not be written: {error.strerror or error} ({tokens.nbytes:,} bytes are needed)"
            ) from None


def splits(corpus: Corpus) -> dict[str, np.ndarray[Any, np.dtype[np.uint16]]]:
    """What is trained on and what is held out."""
    return {"training": corpus.tokens[: corpus.split], "held-out": corpus.tokens[corpus.split :]}
