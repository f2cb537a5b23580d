"""Writes the held-out incidents: reports of the same twelve causes in words that no training template uses.

Run it after a change to write held_out_incidents.jsonl anew.
"""

from __future__ import annotations

import json
import random

from held_out_notes import KNOWN
from valid_numbers import DATA

from phase2_llm_projects.bank import people

REPORTS = {
    "expired_certificate": """
        Since midnight no client gets past hello with {service}; browsers on {host} show a red padlock, and {name1} insists that nothing was released.
        Our partner's monitoring mails us that trust in {service} ended on {day}. Memory and queues look healthy. Caller: {name1}, {phone}.
        Mobile app says "secure channel could not be made". Web via {host} too. {name2} first thought of the firewall, but a plain port check answers.
        """,
    "full_disk": """
        {service} loses every upload since {clock}; listing what is there works. {name1} saw a file of 0 bytes on {host}.
        The database behind {service} turned itself read-only. There is plenty of memory. {name1} found gigabytes of old traces under /var.
        Nightly report of {service} ends in the middle of a line, and so did yesterday's. df on {host} frightened {name1}.
        """,
    "pool_exhausted": """
        At ten in the morning {service} freezes, at lunch it recovers, at two it freezes. CPU on {host} sleeps meanwhile, says {name1}.
        {name1} counts {count} sessions from {service} on the database, all of them doing nothing. New ones are turned away.
        After each press of the export button one database session stays behind. Twenty presses, and nobody gets in. Disk is fine. Found by {name1}.
        """,
    "bad_config": """
        Customers of {service} see the sandbox banner since {version} went out. {name1} cannot reproduce it anywhere else.
        After {day} the ceiling for transfers in {service} is 0 for everybody. The code has no such number, {name1} looked twice; no certificate or clock is involved.
        {service} on {host} talks to a partner that only exists for rehearsals, {name1} reports.
        """,
    "memory_leak": """
        {name1} restarts {service} on {host} every evening, and by the next evening it crawls again. Traffic has not grown.
        The graph of {service}'s resident set is a staircase that only goes up. At the top the kernel ends it. {name1} has pictures.
        Garbage collection in {service} takes longer each hour, says {name1}; the queue is empty and the disk idle.
        """,
    "clock_drift": """
        Every third login to {service} is refused, always by {host}, and the second attempt succeeds. {name1} compared: its lines are stamped four minutes early.
        {name1} got a confirmation from {service} that is dated in the future. Signatures made on {host} are rejected elsewhere.
        One-time codes for {service} fail on one machine only. Passwords are right. {name1} noticed that {host} lives ahead of the others.
        """,
    "lock_contention": """
        Whenever finance opens its overview, postings in {service} stop dead for a minute, then half of them are undone. Seen by {name1}.
        {service} picks a victim among two postings again and again. {name1} could repeat it by hand with two windows. The pool has room.
        Interest run and card postings block one another since {day}, {name1} says; each alone is quick.
        """,
    "consumer_backlog": """
        {name1} got her push message about a purchase of {amount} EUR nine hours after it. {service} is green everywhere.
        The dashboard of {service} is a faithful picture of yesterday evening. {name1} sees the same event fetched over and over.
        Events for {service} come in faster than they are taken out since {day}, says {name1}. Nothing is rejected.
        """,
    "expired_credential": """
        {service} has been locked out of its own data since 00:00. {name1} can log in there with her own user; no release, no network change.
        Night jobs of {service} were all sent away with 401. {name1} recalls that the vault was tidied up on {day}.
        ORA says no to svc_{count}, and yes to everybody else, writes {name1} from {host}. It is ninety days since anybody touched it.
        """,
    "firewall_rule": """
        From head office {service} opens in a second, from every branch the page spins for ever. {name1} sees no entry on {host} for those tries.
        Since the network team's night of {day} packets from {ip} go out and nothing comes home. Certificates are fresh. Reported by {name1}.
        {name1} can ping {host} from one floor but not from the other, and {service} follows suit.
        """,
    "failed_migration": """
        {service} {version} asks for a field that its tables do not have. On {host} the old build still serves {name1} well.
        The upgrade script of {version} died at statement {count} and was left at that, admits {name1}. Now every search in {service} breaks.
        Two hosts of {service} disagree about the shape of the same table since {day}. Configuration is equal. {name1} compared.
        """,
    "overlapping_jobs": """
        {name1} paid her monthly fee twice on {day}, and so did everyone whose name begins with S. {service} ran at {clock} and at {clock}.
        Partner bank received the file of {service} two times with one date. {name1} sees starts from {host} and from another host.
        The interest of {service} is exactly twice what it should be for part of the customers; {name1} says that the previous night had not finished.
        """,
}


def rows() -> list[dict[str, object]]:
    """All held-out incidents, each template filled twice."""
    rng, found = random.Random("held out incidents"), []
    for cause, block in REPORTS.items():
        for template in (line.strip() for line in block.strip().splitlines()):
            for _ in range(2):
                found.append({"report": people.fill(template, rng, KNOWN).text, "cause": cause})
    return found


def written() -> str:
    """The file's text."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())


if __name__ == "__main__":
    (DATA / "held_out_incidents.jsonl").write_text(written(), encoding="utf-8")
