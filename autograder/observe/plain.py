"""What may travel, how much of it, and how exceptions and objects that are not plain data are described."""

import re
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

DEPTH = 64  # levels of nesting
NODES = 200_000  # parts of one value
BYTES = 64 * 2**20  # of one message
INLINE = 1024  # longer texts and bytes lie in the blob, so that the JSON stays small

TEXT = 400  # characters of an object's repr that travel
MESSAGE = 2_000  # characters of an exception's message that travel
STEPS = 200_000  # lines that a __repr__ or __str__ may run: a large nn.Module needs some 50,000
ELEMENTS = 10_000  # sets up to this size are written out, sorted

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_name_of = type.__dict__["__name__"].__get__
_bases_of = type.__dict__["__mro__"].__get__


@dataclass(frozen=True)
class Raised:
    """An exception, as far as it travels; `bases` are the names of the classes it inherits from, nearest first."""

    type: str
    message: str
    where: str = ""
    bases: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """Type and message, as Python prints them."""
        return f"{self.type}: {self.message}" if self.message else self.type


@dataclass(frozen=True)
class Opaque:
    """An object that is not plain data: its type's name and a bounded repr without addresses."""

    type: str
    text: str


class _Endless(BaseException):
    """A repr ran too long; not an Exception, so that the repr's own `except Exception` lets it through."""


def raised(error: BaseException, where: str = "") -> Raised:
    """Describe an exception without letting its own `__str__` do harm."""
    kind = type(error)
    bases = tuple(_name_of(base) for base in _bases_of(kind)[1:] if base is not object)
    return Raised(_name_of(kind), _guarded(str, error, MESSAGE), where, bases)


def opaque(value: object) -> Opaque:
    """Describe any object; sets are sorted and addresses left out, so that equal objects give equal texts."""
    kind = type(value)
    if issubclass(kind, set | frozenset):
        return Opaque(_name_of(kind), _guarded(_sorted_elements, value, TEXT))
    return Opaque(_name_of(kind), _guarded(repr, value, TEXT))


def is_plain(told: Raised | Opaque) -> bool:
    """Whether a description holds nothing but text, so that whoever made it, it may be sent as it is."""
    bases = told.bases if type(told) is Raised else ()
    texts = (told.type, told.message, told.where) if isinstance(told, Raised) else (told.type, told.text)
    return type(bases) is tuple and all(type(text) is str for text in (*texts, *bases))


def bounded(text: str, limit: int) -> str:
    """Cut a text to `limit` characters; a checksum of the whole stands for what was cut."""
    if len(text) <= limit:
        return text
    checksum = zlib.crc32(text.encode("utf-8", "surrogatepass"))
    return f"{text[:limit]}… ({len(text)} characters, checksum {checksum:08x})"


def _sorted_elements(value: Any) -> str:
    size = set.__len__(value) if isinstance(value, set) else frozenset.__len__(value)
    if size > ELEMENTS:
        return f"{size} elements"
    elements = set.__iter__(value) if isinstance(value, set) else frozenset.__iter__(value)
    return "{" + ", ".join(sorted(repr(element) for element in elements)) + "}"


def _guarded(describe: Callable[[Any], str], value: object, limit: int) -> str:
    """Call `describe`, surviving a repr that raises, never ends or returns a str subclass."""
    steps = 0

    def count(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal steps
        steps += 1
        if steps > STEPS:
            raise _Endless
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        text = str.__str__(describe(value))
    except _Endless:
        return "(its text never ends)"
    except BaseException as error:  # a repr may raise SystemExit as well
        return f"(its text raises {_name_of(type(error))})"
    finally:
        sys.settrace(before)
    return bounded(_ADDRESS.sub("", text), limit)
