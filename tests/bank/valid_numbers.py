"""Card numbers and IBANs with right check digits, computed apart from any lesson; run it to write numbers.json.

No number can be anybody's: cards begin like the test cards of their networks, and the bank codes are not issued.
"""

from __future__ import annotations

import json
import random
import string
from pathlib import Path

CARDS = {"40000566": 16, "42424242": 16, "55555555": 16, "22230031": 16, "378282": 15, "60111111": 16, "305693": 14}
IBANS = {  # country: bank code that nobody has, then what fills up; d digit, c digit or letter
    "DE": "9999" + "d" * 14,
    "GB": "QXBK" + "d" * 14,
    "FR": "99990" + "d" * 5 + "c" * 11 + "dd",
    "ES": "9999" + "d" * 16,
    "IT": "Q99990" + "d" * 5 + "c" * 12,
    "NL": "QXBK" + "d" * 10,
    "BE": "999" + "d" * 9,
    "CH": "99990" + "c" * 12,
    "AT": "99990" + "d" * 11,
    "PL": "9999" + "d" * 20,
    "PT": "9999" + "d" * 17,
    "NO": "9999" + "d" * 7,
    "SE": "999" + "d" * 17,
    "IE": "QXBK" + "d" * 14,
    "GR": "9990" + "d" * 3 + "c" * 16,
}
DATA = Path(__file__).parents[2] / "phase2_llm_projects" / "bank" / "data"
VALUE = {letter: str(number) for number, letter in enumerate(string.digits + string.ascii_uppercase)}


def card(rng: random.Random, prefix: str, length: int) -> str:
    """The only card number with this beginning, drawn at random up to its last digit: tried out, not computed."""
    body = prefix + "".join(rng.choice(string.digits) for _ in range(length - len(prefix) - 1))
    return next(body + last for last in string.digits if luhn(body + last))


def luhn(number: str) -> bool:
    """Luhn's test by table: from the right, what each digit counts in an odd and in an even place."""
    counts = ("0123456789", "0246813579")
    return sum(int(counts[place % 2][int(digit)]) for place, digit in enumerate(reversed(number))) % 10 == 0


def iban(rng: random.Random, country: str) -> str:
    """An IBAN with its check digits (ISO 13616), by digit-wise long division."""
    fill = {"d": string.digits, "c": string.digits + string.ascii_uppercase}
    body = "".join(rng.choice(fill[sign]) if sign in fill else sign for sign in IBANS[country])
    rest = 0
    for digit in "".join(VALUE[sign] for sign in body + country + "00"):
        rest = (10 * rest + int(digit)) % 97
    return f"{country}{98 - rest:02}{body}"


def numbers() -> dict[str, list[str]]:
    """What the generator of the training texts draws from."""
    rng = random.Random("numbers of the bank")
    cards = [card(rng, prefix, length) for prefix, length in CARDS.items() for _ in range(24)]
    return {"cards": cards, "ibans": [iban(rng, country) for country in IBANS for _ in range(12)]}


if __name__ == "__main__":
    (DATA / "numbers.json").write_text(json.dumps(numbers(), indent=0) + "\n", encoding="utf-8")
