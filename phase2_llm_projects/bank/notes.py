"""Notes as they lie in tickets, chats and logs of a bank, with everything personal in them labelled."""

from __future__ import annotations

from phase2_llm_projects.bank.drawing import stream
from phase2_llm_projects.bank.people import Labelled, fill

TEMPLATES = tuple(
    line.strip()
    for line in """
    {name1} called at {clock}: her card {card} was swallowed by the machine at the station.
    {name1} called at {clock} and asks for a new PIN. He can be reached on {phone}.
    Spoke with {name1} about the transfer to {iban}. {first1} confirms the amount of {amount} EUR.
    Customer {name1} was charged twice; the second booking is order {order}.
    Dear {name1}, we have received your documents for account {account}. Kind regards, {name2}
    Please block card {card} for {name1}, and send the new one to the branch.
    Mail from {email1}: the statement of {day} shows a stranger's booking.
    {name1} and {name2} want a joint account; today {surname1} came alone.
    Asked {name1} to look at {host}; {tool} had been red since {clock}.
    Mr {surname1} was told that {service} is down. Mrs {surname2} was not.
    {tool} failed on {host} after the release of {version}. {name1} rolled it back.
    On {day} {name1} moved {amount} EUR from {iban} to {iban2}.
    {day} {clock} INFO {service} user={email} ip={ip} login ok
    {day} {clock} WARN {service} order={order} trace={trace} slow
    {day} {clock} ERROR {host} password={secret} rejected for svc_batch
    Deployed {sha} to {host} with API_TOKEN={secret} still in the log, says {name1}.
    Authorization: Bearer {secret}
    db.password = "{secret}"
    The direct debit from {iban} was returned. {name1}, {phone}, is informed.
    Contact: {name1}, {email1}, {phone}
    {name1} could not log in with {email1}. Reset, and told {first1} on {phone}.
    Account {account} is overdrawn by {amount} EUR since {day}.
    The payment {order} to {name1} is stuck in {service}; card {card} was not charged.
    In May {tool} was renamed. Nobody told {name1}.
    Ticket {ticket} belongs to {name1}; {name2} only reported it.
    {name1} forgot to say which Kafka topic. {surname1} is on leave until Monday.
    Herr {surname1} und Frau {surname2} haben beide das Konto {account}.
    Build {count} of {service} {version}, commit {sha}, by {name1}.
    Limit of {card} raised to {amount} EUR on request of {name1} ({email1}).
    {host} {ip} {service} {version} {day} {clock} restarted by Ansible
    """.strip().splitlines()
)
COUNT = 600


def notes(seed: int = 0, count: int = COUNT) -> tuple[Labelled, ...]:
    """Labelled notes, every template as often as any other."""
    rng = stream(seed, "notes")
    return tuple(fill(TEMPLATES[number % len(TEMPLATES)], rng) for number in range(count))
