"""Writes the held-out requests for scripts, in words that no training request uses, and the house's scripts for them.

Run it after a change to write held_out_scripts.jsonl anew.
"""

from __future__ import annotations

import dataclasses
import json
import random

from valid_numbers import DATA

from phase2_llm_projects.bank import scripts, words

REQUESTS = {
    "deploy": """
        By tonight {hosts} should be running {service} {version}, never more than one of them out of service.
        Ticket: install build {version} of {service}. Targets: {hosts}. Rolling, please.
        Customers wait for {service} {version}. Get it live on {hosts} without a gap; we undo it by hand if need be.
        Release night: {version} of {service} replaces what is there now, on {hosts} in turn.
        """,
    "rollback": """
        Since the upgrade {service} misbehaves. Reinstall {old} on {hosts}, and nobody ships anything meanwhile.
        Undo {version} of {service}: the last good build was {old}, machines {hosts}.
        Ticket: downgrade {service}, {hosts}, target {old}.
        Back out last night's change to {service}. {old} has to be what answers on {hosts}.
        """,
    "backup": """
        Before the auditors come we want a dump of {service}'s tables that demonstrably opens.
        Copy everything {service} has stored, version {version}, and make sure it is no empty file.
        Ticket: dump for {service} {version}, read-only afterwards, contents listed.
        A safe copy of what {service} holds, please; last year's could not be restored.
        """,
    "migrate": """
        {service} needs the tables of {version}. Keep a dump in case it goes wrong.
        Ticket: database change {version} for {service}, application stopped meanwhile, result validated.
        Bring the tables behind {service} up to {version}.
        The new columns of {version} are missing in {service}; add them the usual, careful way.
        """,
    "renew_certificate": """
        On Friday browsers will stop trusting {service}. See to it on {hosts}, nobody may be logged out.
        Ticket: {service} expires soon, exchange the PEM on {hosts} and reload.
        On {hosts} the proof of being {service} is nearly out of date.
        Extend the trust in {service} by another quarter, machines {hosts}, sessions stay open.
        """,
    "clean_logs": """
        /var on {hosts} is nearly full of {service}'s old traces; anything past {days} days can go.
        Ticket: disk space, {hosts}, packed log files of {service}, retention {days} days.
        {service} writes more than {hosts} can hold. Throw out what is older than {days} days.
        Make room on {hosts}: nobody reads what {service} logged more than {days} days ago.
        """,
    "drain": """
        We have to open the cases of {hosts} tonight. No customer of {service} may be on them.
        Ticket: no traffic of {service} to {hosts} from ten o'clock, alarms muted.
        Let the connections of {service} to {hosts} run out, and route new ones elsewhere.
        New memory for {hosts}: keep {service} away from there until it is in.
        """,
    "rerun_batch": """
        The night job of {service} died half-way. Finish it, and mind that another one may still be alive.
        Ticket: {service}, job incomplete, resume under a lock and send the report.
        Yesterday's interest is missing in {service}; let the job make up for it, once.
        Continue what {service} left undone at three in the morning.
        """,
    "smoke_test": """
        Does {service} answer on {hosts}, and is it really {version}?
        Ticket: look at {service} after the change, {hosts}, expected build {version}, hands off otherwise.
        Knock on every door of {service}: {hosts}, then the login page. It should say {version}.
        Prove that {version} of {service} works on {hosts} before we go to bed.
        """,
    "toggle_flag": """
        Let one in so many see the new limits of {service}: {days} of a hundred.
        Ticket: new limits, {service}, {days} %, watch the errors.
        The limits team wants {days} % of {service}'s traffic, no more.
        Open the new limits in {service} to {days} out of a hundred people, and look at the failures.
        """,
    "rotate_secret": """
        Whoever left last week knew the database login of {service}. Change it, and let {hosts} pick it up.
        Ticket: credentials of {service} are ninety days old, restart of {hosts} afterwards, old ones revoked.
        What {service} logs into its tables with must be different tomorrow, on {hosts} too.
        A secret of {service} was in a mail. Replace it and bring {hosts} up again.
        """,
    "publish_config": """
        The new settings for {service} {version} have passed review. Put them on {hosts}, no downtime.
        Ticket: {service}, parameters of {version}, {hosts}, lint first, reload after.
        The old YAML of {service} is still in use on {hosts}; it should be that of {version}.
        Distribute {version}'s parameters of {service} over {hosts}, the program itself does not change.
        """,
}


def rows() -> list[dict[str, object]]:
    """All held-out requests with their scripts, each template filled twice."""
    rng, found = random.Random("held out scripts"), list[dict[str, object]]()
    templates = {key: [line.strip() for line in block.strip().splitlines()] for key, block in REQUESTS.items()}
    for turn in range(8):  # all actions in turn, so that a part of the rows holds something of each
        for action in scripts.ACTIONS:
            asked = dataclasses.replace(action, requests=(templates[action.key][turn % 4],))
            found.append(vars(scripts.script(rng, len(found), asked, rng.choice(words.SERVICES))))
    return found


def written() -> str:
    """The file's text."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())


if __name__ == "__main__":
    (DATA / "held_out_scripts.jsonl").write_text(written(), encoding="utf-8")
