"""The tedious half of finding personal data: expressions for what has a shape, and which words could be a name.

What needs a check digit or a decision is left to exercise 20: `personal` takes its two functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from phase2_llm_projects.bank.words import CUES, FIRST_NAMES, MISLEADING, PARTICLES

Run = tuple[int, int, list[str], str]
Found = list[tuple[int, int, str]]

# How many signs an IBAN has, by country (the registry of ISO 13616; not all of them).
# fmt: off
IBAN_LENGTHS = {
    "AT": 20, "BE": 16, "CH": 21, "CZ": 24, "DE": 22, "DK": 18, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GR": 27,
    "HU": 28, "IE": 22, "IT": 27, "LU": 20, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "SE": 24,
}
# fmt: on


def patterns(lengths: dict[str, int]) -> list[tuple[str, str]]:
    """Pairs (kind, regular expression), those that claim first in front; a group, if there is one, is the value."""
    key = r"(?:password|passwd|passphrase|pwd|secret|secret_key|access_key|api[_-]?key|apikey|token|credentials?)"
    acct = r"(?:account|acct|a/c|konto|compte|conto|cuenta)\.?(?: ?(?:no|number|nr)\b\.?)?[:# ]{1,2}"
    clear, end, more = r"(?<![\w.+/-])", r"(?![\w-])", r"(?:[ ./-]?(?:\(\d+\)|\d+)){1,6}"
    ibans = "|".join(f"{country}[0-9]{{2}}(?: ?[A-Z0-9]){{{length - 4}}}" for country, length in lengths.items())
    return [
        ("secret", rf"(?i)(?:\b|_){key}[\"']?\s*[=:]\s*[\"']?([^\s\"',;&]+)"),
        ("secret", r"(?i)\bbearer\s+([^\s\"',;]+)"),
        ("secret", r"://[^\s:/@]+:([^\s@/]+)@"),
        ("secret", r"\b(eyJ[\w-]{8,}\.[\w-]+\.[\w-]+|gh[pousr]_\w{20,}|AKIA[0-9A-Z]{16})\b"),
        ("email", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
        ("iban", rf"(?i)\b(?:{ibans})\b"),
        (
            "card",
            rf"{clear}(?:\d{{4}}[ -]\d{{4}}[ -]\d{{4}}[ -]\d{{4}}|\d{{4}}[ -]\d{{6}}[ -]\d{{4,5}}|\d{{13,19}}){end}",
        ),
        ("account", rf"(?i)\b{acct}(\d[\d -]{{4,}}\d)\b"),
        ("phone", rf"{clear}(?=(?:[ ().+/-]*\d){{8}})(?:(?:\+|00)\d{{1,3}}|0\d{{1,4}}|\(\d{{3,5}}\)){more}{end}"),
    ]


PATTERNS = patterns(IBAN_LENGTHS)


def capital_runs(text: str) -> list[Run]:
    """Words with a capital that stand side by side: -> list of runs (start, end, words, before), in order.

    words   the words of text[start:end] that have a capital, as a list; a hyphen divides two
    before  the word just before the run, in lower case, or ""
    Particles such as "van" lie within a run that goes on behind them. What is in MISLEADING belongs to no run, unless
    it is a first name too, and here or elsewhere in the text another word of a run follows it.
    """
    tokens = []
    for match in re.finditer(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text):
        word = re.sub("['’]s$", "", match[0])
        tokens.append((match.start(), match.start() + len(word), word))

    def capital(i: int) -> bool:
        parts = re.split("['’-]", tokens[i][2])
        return any(part[0].isupper() and (len(part) == 1 or not part.isupper()) for part in parts)

    def next_to(i: int, gaps: Sequence[str] = (" ",)) -> bool:
        if not 0 < i < len(tokens):
            return False
        gap, last = text[tokens[i - 1][1] : tokens[i][0]], tokens[i - 1][2]
        return gap in gaps or (gap == ". " and last.istitle() and len(last) < 5)

    clear = [capital(i) and word not in MISLEADING for i, (_, _, word) in enumerate(tokens)]
    people = {word for i, (_, _, word) in enumerate(tokens) if word in FIRST_NAMES and next_to(i + 1) and clear[i + 1]}
    belongs = [clear[i] or word in people for i, (_, _, word) in enumerate(tokens)]
    runs: list[Run] = []
    i = 0
    while i < len(tokens):
        first = last = i
        while i < len(tokens) and (i == first or next_to(i)) and (belongs[i] or tokens[i][2] in PARTICLES):
            last = i if belongs[i] else last
            i += 1
        if i > first and belongs[last]:
            words = [
                part for _, _, word in tokens[first : last + 1] if word not in PARTICLES for part in word.split("-")
            ]
            before = tokens[first - 1][2].lower() if next_to(first, (" ", ": ", ", ", ":\n", ",\n")) else ""
            runs.append((tokens[first][0], tokens[last][1], words, before))
        i = max(i, first + 1)
    return runs


def personal(
    text: str,
    find_names: Callable[[list[Run], frozenset[str], frozenset[str]], list[tuple[int, int]]],
    find_personal: Callable[[str, list[tuple[str, str]], list[tuple[int, int]], dict[str, int]], Found],
) -> Found:
    """Everything personal in a text, by exercise 20's two functions; names are looked for in what the patterns leave."""
    rest = text
    for start, end, _ in find_personal(text, PATTERNS, [], IBAN_LENGTHS):
        rest = rest[:start] + "·" * (end - start) + rest[end:]
    names = find_names(capital_runs(rest), frozenset(FIRST_NAMES), CUES)
    return find_personal(text, PATTERNS, names, IBAN_LENGTHS)
