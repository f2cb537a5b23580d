"""Labelled text: templates with slots, filled with invented people and numbers, and where each of them stands."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from phase2_llm_projects.bank import words
from phase2_llm_projects.bank.drawing import clock, digits, one_day

DATA = Path(__file__).parent / "data"
KINDS = ("secret", "email", "iban", "card", "account", "phone", "name")
SLOT = re.compile(r"\{(\w+?)(\d?)\}")


@dataclass(frozen=True)
class Span:
    """Where something personal stands: text[start:end], and what it is, one of KINDS."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Labelled:
    """A text with everything personal in it, in order."""

    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist."""

    first: str
    surname: str

    @property
    def name(self) -> str:
        return f"{self.first} {self.surname}"

    def email(self, rng: random.Random) -> str:
        """An address at one of the domains that are kept for examples."""
        first, last = (plain(part) for part in (self.first, self.surname))
        local = rng.choice(
            [f"{first}.{last}", f"{first[0]}.{last}", f"{last}{rng.randrange(10, 99)}", f"{first}_{last}"]
        )
        return f"{local}@{rng.choice(['bank.example', 'mail.example.com', 'example.org', 'post.example.net'])}"


def plain(name: str) -> str:
    """A name in the letters of an address."""
    folded = unicodedata.normalize("NFKD", name.casefold())
    return re.sub(r"[^a-z]", "", folded) or "x"


@cache
def numbers() -> dict[str, list[str]]:
    """Card numbers and IBANs whose check digits are right, and that belong to nobody."""
    found: dict[str, list[str]] = json.loads((DATA / "numbers.json").read_text(encoding="utf-8"))
    return found


def grouped(text: str, sizes: Sequence[int], separator: str) -> str:
    """Cut a number into groups; what is left over is the last one."""
    parts, rest = [], text
    for size in sizes:
        parts.append(rest[:size])
        rest = rest[size:]
    return separator.join(part for part in (*parts, rest) if part)


def card(rng: random.Random) -> str:
    """A card number, plain or in the groups in which it is printed."""
    number = rng.choice(numbers()["cards"])
    sizes = (4, 4, 4) if len(number) == 16 else (4, 6)
    return rng.choice([number, grouped(number, sizes, " "), grouped(number, sizes, "-")])


def iban(rng: random.Random) -> str:
    """An IBAN, plain or in groups of four."""
    number = rng.choice(numbers()["ibans"])
    return number if rng.random() < 0.5 else grouped(number, [4] * 8, " ")


def phone(rng: random.Random) -> str:
    """A telephone number as people write it; the ranges are those kept for fiction where there are any."""
    tail = digits(rng, 4)
    return rng.choice(
        [f"+49 30 23125 {tail[:3]}", f"+44 7700 900{tail[:3]}", f"+1 (212) 555-0{tail[:3]}", f"030 23125{tail[:3]}"]
    )


def account(rng: random.Random) -> str:
    """A domestic account number."""
    return rng.choice([digits(rng, 8), digits(rng, 10), grouped(digits(rng, 8), (2, 4), "-")])


def secret(rng: random.Random) -> str:
    """A password or token."""
    letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    word = "".join(rng.choice(letters) for _ in range(rng.choice([14, 20, 32])))
    return rng.choice([word, f"{word[:8]}!{word[8:12]}", f"{word[:10]}_{word[10:]}"])


def order(rng: random.Random) -> str:
    """An order number of 16 digits that fails Luhn's test, though only in its last digit."""
    number = rng.choice([n for n in numbers()["cards"] if len(n) == 16])
    return number[:-1] + str((int(number[-1]) + rng.randint(1, 9)) % 10)


PERSONAL: dict[str, Callable[[random.Random], str]] = {
    "card": card,
    "iban": iban,
    "phone": phone,
    "account": account,
    "secret": secret,
}
HARMLESS: dict[str, Callable[[random.Random], str]] = {
    "order": order,
    "tool": lambda rng: rng.choice(words.TOOLS),
    "service": lambda rng: rng.choice(words.SERVICES),
    "host": lambda rng: rng.choice(words.HOSTS),
    "team": lambda rng: rng.choice(words.TEAMS),
    "ticket": lambda rng: f"INC{rng.randrange(10**6, 10**7):08}",
    "day": one_day,
    "clock": clock,
    "version": lambda rng: f"{rng.randint(1, 9)}.{rng.randint(0, 40)}.{rng.randint(0, 20)}",
    "ip": lambda rng: f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}",
    "amount": lambda rng: f"{rng.randint(1, 9)},{rng.randint(100, 999)}.{rng.randint(10, 99)}",
    "sha": lambda rng: f"{rng.getrandbits(160):040x}"[: rng.choice([7, 12, 40])],
    "trace": lambda rng: f"{rng.getrandbits(128):032x}",
    "count": lambda rng: str(rng.randint(2, 900)),
}


def somebody(rng: random.Random) -> Person:
    """A person of the training texts: every other first name of the directory, and the surnames of words.py."""
    return Person(rng.choice(words.FIRST_NAMES[:-17:2]), rng.choice(words.SURNAMES))


@dataclass(frozen=True)
class Makers:
    """How the slots of a template are filled."""

    person: Callable[[random.Random], Person] = somebody
    personal: tuple[tuple[str, Callable[[random.Random], str]], ...] = tuple(PERSONAL.items())
    harmless: tuple[tuple[str, Callable[[random.Random], str]], ...] = tuple(HARMLESS.items())


def fill(template: str, rng: random.Random, makers: Makers | None = None) -> Labelled:
    """Fill the slots of a template: `{name}`, `{card}`, `{order}` …

    A number behind a slot tells people apart: `{name1}`, `{first1}`, `{surname1}` and `{email1}` are one person. The
    same slot twice holds the same text. What is personal comes back as spans.
    """
    makers = makers or Makers()
    personal, harmless = dict(makers.personal), dict(makers.harmless)
    people: dict[str, Person] = {}
    filled: dict[str, str] = {}
    pieces: list[str] = []
    spans: list[Span] = []
    at = size = 0
    for slot in SLOT.finditer(template):
        kind, number = slot[1], slot[2]
        if slot[0] not in filled:
            if kind in ("name", "first", "surname", "email"):
                person = people.setdefault(number, makers.person(rng))
                filled[slot[0]] = person.email(rng) if kind == "email" else getattr(person, kind)
            else:
                filled[slot[0]] = (personal.get(kind) or harmless[kind])(rng)
        before, value = template[at : slot.start()], filled[slot[0]]
        pieces += [before, value]
        size += len(before) + len(value)
        if kind not in harmless:
            spans.append(Span(size - len(value), size, "name" if kind in ("first", "surname") else kind))
        at = slot.end()
    return Labelled("".join([*pieces, template[at:]]), tuple(spans))
