"""Writes the held-out labelled notes: other templates, other people, other ways to write a number than in training.

Written before any finder was; change a template here and run the file to write held_out_notes.jsonl anew.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable
from dataclasses import asdict, replace

from valid_numbers import CARDS, DATA, IBANS, card, iban, luhn

from phase2_llm_projects.bank import people, words
from phase2_llm_projects.bank.people import Labelled, Makers, Person

# People ------------------------------------------------------------------------------------------------------------

SURNAMES = """
    Abernathy Achterberg Adeyemi Aguirre Aksoy Albrecht Amsterdam Arslanoğlu Ashworth Baptiste Bergström Bhattacharya Bélanger
    Çelik Chukwuemeka Cisneros Çağlar Dąb-Biernacka Desmoulins Ditzen Đorđević Dvořák Ekwueme Engström Eskildsen Fairweather
    Farouk Feuerbach Fitzgerald Gagnon Gálvez Ghosh Grünwald Gudmundsson Hakimi Hallgrímsson Hernández-Ruiz Hesselink
    Hrabal Ikeda Iyer Jaramillo Jeong Kapoor Karlsen Khoury Kirchgässner Kobayashi Lagerlöf Lancaster Leclerc-Roy Lindholm
    Łuczak MacGregor Mahmoud Marchetti McAllister Meyer-Landrut Mikkelsen Montgomery Morozov Müller-Lüdenscheid Nguyễn
    Novotný O'Sullivan Ogunleye Østergaard Ødegård Pacheco Peñalver Petridis Quispe Radović Rasmussen Ribeiro Rutherford
    Saarinen Santangelo Schäfer Şahin Sørensen Stojanović Takahashi Tremblay Ueda Vandenberghe Vuković Wickramasinghe
    Winterbottom Yamashita Zając Zubizarreta D'Angelo N'Diaye
    """.split()
LONG = """
    van der Meer|de la Cruz|von Hohenfels|van den Broek|dos Santos|Al-Farsi|ten Brink|bin Rashid|della Rovere|du Plessis
    """.strip().split("|")
# Not in the directory: these can only be found by what stands around them.
UNLISTED = """
    Aoife Anneliese Bogdan Ciarán Dragana Eszter Fergal Gwendolyn Hallvard Iñaki Jadwiga Kjell Ladislav Mireille Nkechi
    Oluwaseun Parvaneh Quentin Roisin Saoirse Thandiwe Urszula Venkatesh Wilhelmina Xiomara Yevgeny Zdenka Baptiste-Louis
    """.split()
LISTED = words.FIRST_NAMES[1:-17:2]  # those that no training text uses
DOUBTFUL = ("Mark", "May", "Grace", "Rose", "Victoria", "Cassandra", "Julia", "Florence", "Pascal", "Austin")


def surname(rng: random.Random) -> str:
    return rng.choice(LONG) if rng.random() < 0.12 else rng.choice(SURNAMES)


def listed(rng: random.Random) -> Person:
    """A first name of the directory; one in ten is doubled, one in fourteen looks like something else."""
    draw = rng.random()
    if draw < 0.1:
        return Person("-".join(rng.sample(LISTED, 2)), surname(rng))
    return Person(rng.choice(DOUBTFUL if draw < 0.17 else LISTED), surname(rng))


def unlisted(rng: random.Random) -> Person:
    return Person(rng.choice(UNLISTED), surname(rng))


# Numbers -----------------------------------------------------------------------------------------------------------


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits[1:]) for _ in range(count))


def new_card(rng: random.Random) -> str:
    prefix, length = rng.choice(list(CARDS.items()))
    number = card(rng, prefix, length)
    sizes = {16: (4, 4, 4), 15: (4, 6), 14: (4, 6)}[length]
    return rng.choice(
        [
            number,
            people.grouped(number, sizes, " "),
            people.grouped(number, sizes, " "),
            people.grouped(number, sizes, "-"),
        ]
    )


def new_iban(rng: random.Random) -> str:
    number = iban(rng, rng.choice(list(IBANS)))
    return rng.choice([number, people.grouped(number, [4] * 8, " "), people.grouped(number, [4] * 8, " ")])


def new_phone(rng: random.Random) -> str:
    a, b, c = digits(rng, 3), digits(rng, 3), digits(rng, 4)
    return rng.choice(
        [
            f"+33 6 {a[:2]} {b[:2]} {c[:2]} {c[2:]}",
            f"+49 (0)69 {a} {c}",
            f"0044 20 7946 0{a}",
            f"+41-44-{a}-{c[:2]}-{c[2:]}",
            f"+1 415 555 0{a[:3]}",
            f"(415) 555-0{a}",
            f"020 7946 0{b}",
            f"0171/{a}{c}",
            f"+48 {a} {b} {c[:3]}",
            f"+31612{a}{b[:3]}",
            f"+34 {a} {b} {c[:3]}",
        ]
    )


def new_account(rng: random.Random) -> str:
    number = digits(rng, 9)
    return rng.choice([number, number[:8], f"{number[:3]} {number[3:6]} {number[6:]}", f"{number[:4]}-{number[4:]}"])


def new_secret(rng: random.Random) -> str:
    sign = lambda alphabet, count: "".join(rng.choice(alphabet) for _ in range(count))  # noqa: E731
    mixed = string.ascii_letters + string.digits
    return rng.choice(
        [
            sign(mixed, 24),
            sign(mixed, 8) + "-" + sign(mixed, 12),
            sign(string.hexdigits.lower(), 32),
            sign(mixed, 9) + "#7",
        ]
    )


def new_bearer(rng: random.Random) -> str:
    part = lambda count: "".join(rng.choice(string.ascii_letters + string.digits + "-_") for _ in range(count))  # noqa: E731
    return rng.choice([f"eyJ{part(17)}.eyJ{part(24)}.{part(30)}", part(40).strip("-_")])


def not_a_card(rng: random.Random) -> str:
    """16 digits, half of them in groups, that fail Luhn's test."""
    number = next(n for n in iter(lambda: rng.choice("456") + digits(rng, 15), "") if not luhn(n))
    return rng.choice([number, people.grouped(number, (4, 4, 4), " ")])


def not_an_iban(rng: random.Random) -> str:
    """An IBAN with two neighbouring digits exchanged."""
    number = iban(rng, "DE")
    at = next(i for i in range(12, 21) if number[i] != number[i + 1])
    return number[:at] + number[at + 1] + number[at] + number[at + 2 :]


PERSONAL: dict[str, Callable[[random.Random], str]] = {
    "card": new_card,
    "iban": new_iban,
    "phone": new_phone,
    "account": new_account,
    "secret": new_secret,
}
HARMLESS: dict[str, Callable[[random.Random], str]] = {
    **people.HARMLESS,
    "order": not_a_card,
    "noiban": not_an_iban,
    "tool": lambda rng: rng.choice(
        ["Jenkins", "Kafka", "Grafana", "Cassandra", "Minerva", "Orion", "Zabbix", "Rundeck"]
    ),
    "stamp": lambda rng: (
        f"{rng.randint(2025, 2026)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T0{rng.randint(0, 9)}:3{rng.randint(0, 9)}:12.{rng.randint(100, 999)}Z"
    ),
    "uuid": lambda rng: "-".join(f"{rng.getrandbits(4 * n):0{n}x}" for n in (8, 4, 4, 4, 12)),
    "epoch": lambda rng: str(rng.randrange(1_750_000_000, 1_790_000_000)),
    "month": lambda rng: rng.choice(["May", "April", "June", "August", "March"]),
}
BEARERS = {**PERSONAL, "secret": new_bearer}
KNOWN = Makers(listed, tuple(PERSONAL.items()), tuple(HARMLESS.items()))

# Templates ---------------------------------------------------------------------------------------------------------

NAMES = """
    Could somebody ring {name1} back before lunch? {first1} has been waiting since {clock} and the branch is losing patience.
    {name1} and {name2} were both locked out after the {day} patch; only {surname2} has got in since.
    Escalated by {name1} (night shift), who woke {name2} at {clock}.
    It was {name1} who noticed: the totals in {service} had stopped moving, and {tool} showed nothing.
    {name1} writes that the statement for {month} still names the late {name2} as joint owner.
    According to {name1}, Kafka was never the problem; according to {name2}, it always is.
    Pairing notes: {first1} drove, {first2} watched Grafana. Nothing odd until {host} went quiet.
    The mandate was signed by {name1}; {surname1} denies it.
    We owe {name1} an apology. The fee of {amount} EUR was ours, not {first1}'s.
    Handing over to {name1}. Known so far: Cassandra compaction is slow, the rest is guesswork.
    Minutes: present were {name1}, {name2} and {name3}; {first3} left early.
    Review of {sha}: approved by {name1}, with a nit from {name2}.
    In {month} Jenkins was moved to {host}; ask {name1} for the keys, not the wiki.
    {name1} from {team} says the job ran twice, {name2} from {team} says not at all.
    Thanks go to {name1}, without whom the switch on {day} would have ended in tears.
    A courier left papers for {name1} at the wrong branch; {name2} took them home.
    Neither {first1} nor {first2} may approve their own change, says Rundeck.
    Today's duty: {name1} until noon, then {name2}.
    The complaint of {name1} has been with us for {count} days; {surname1} now threatens with the ombudsman.
    blame: {name1}, line {count}, "temporary"
    """
CUED = """
    The call came from Mrs {surname1}, on behalf of Mr {surname2}, at {clock}.
    Please tell Dr {surname1} that the transfer of {day} has been found.
    Dear {name1}, your request {ticket} is done.
    Payee: {name1}, reason: rent for {month}.
    Customer {name1} cannot see the cards of customer {name2}; both look fine in {service}.
    The reporter {name1} adds a screenshot. It shows the password page of Grafana and nothing else.
    Prof. {surname1} was promised a call by Herr {surname2}, and Frau {surname3} was to make it.
    Asked Madame {surname1} for the form; {surname1} will send it on Monday.
    Cardholder {name1} is abroad until {month}; block nothing.
    The beneficiary {name1} is not the account's owner {name2}. Hold the payment.
    """
MIXED = """
    Transfer of {amount} EUR to {iban} bounced; {name1} wants it to go to {iban2} instead.
    {name1} left two numbers, {phone} and {phone2}, and answers neither.
    Card {card} was declined at {clock} in the shop and honoured at the pump. Order {order} is the one in dispute.
    Wrote to {email1} and, as that bounced, to {email2}.
    Reference {order} is an order, {card} is the card that paid for it.
    Refund to acct {account}, not to account no. {account2} as first noted.
    The old IBAN {iban} is closed. What the customer typed, {noiban}, was never one.
    Send the codes to {phone}; the landline {phone2} is {name1}'s father.
    Konto {account} shows two debits of {amount} on {day}.
    {first1} pasted {card} into the chat. Deleted at {clock}, but {tool} may have indexed it.
    CSV row as received: {name1};{iban};{amount};EUR;{day}
    Caller {name1} failed the security questions. Called back on {phone}: passed.
    Chargeback {order}: card ending unknown, {email1} has the receipt, tracking {uuid}.
    Standing order moves from {iban} to {iban2} on the first of {month}.
    a/c {account} is {name1}'s, a/c {account2} is the shop's.
    """
SYSTEM = """
    {stamp} WARN {host} retry 3 of 5 for order={order} trace={trace}
    {stamp} ERROR {host} login failed user={email1} from={ip}
    {stamp} INFO {service} v{version} started on {host} port 8443 pid {count}
    {stamp} DEBUG request id={uuid} amount={amount} iban={iban} result=REJECTED
    curl -H "Authorization: Bearer {secret}" https://{service}.bank.example/v2/limits
    export DB_PASSWORD={secret} && ./migrate --host {host} --port 5432
    api_key: "{secret}"   # rotate after {day}
    jdbc:postgresql://{host}:5432/ledger?user=svc_ledger&password={secret}
    postgres://svc_report:{secret}@{host}:5432/reports
    In the diff of {sha} there is client_secret = '{secret}', which {name1} pushed on {day}.
    Found AWS_SECRET_ACCESS_KEY={secret} in the build log of {tool} #{count}.
    kafka lag {count}, epoch {epoch}, commit {sha}, image registry.bank.example/{service}:{version}
    token={secret} was in the URL that {email1} forwarded.
    Kafka to {host}, Jenkins to {ip}, both behind {service}; ticket {ticket} has the diagram.
    passwd: {secret} (for {email1}, to be changed at first login)
    """


def rows(seed: str = "held out notes") -> list[dict[str, object]]:
    """All held-out notes, in the order of their templates: text, spans, the template's number, who was listed."""
    rng, found = random.Random(seed), []
    blocks = [(NAMES, KNOWN, 4), (CUED, KNOWN, 2), (CUED, replace(KNOWN, person=unlisted), 3), (MIXED, KNOWN, 8)]
    blocks += [(SYSTEM, KNOWN, 4), (SYSTEM, replace(KNOWN, personal=tuple(BEARERS.items())), 2)]
    numbers: dict[str, int] = {}
    for block, makers, times in blocks:
        for template in (line.strip() for line in block.strip().splitlines()):
            number = numbers.setdefault(template, len(numbers))
            for _ in range(times):
                made: Labelled = people.fill(template, rng, makers)
                spans = [list(asdict(span).values()) for span in made.spans]
                found.append({"text": made.text, "spans": spans, "template": number, "listed": makers.person is listed})
    return found


def written() -> str:
    """The file's text."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())


if __name__ == "__main__":
    (DATA / "held_out_notes.jsonl").write_text(written(), encoding="utf-8")
