"""Release scripts in shell and Python. They parse, and unless DRY_RUN is 0 they only print what they would do."""

from __future__ import annotations

import random
import shlex
from dataclasses import dataclass

from phase2_llm_projects.bank import words
from phase2_llm_projects.bank.drawing import stream

COUNT = 300


@dataclass(frozen=True)
class Script:
    """A script, and the request that it answers."""

    name: str
    language: str  # shell or python
    action: str
    service: str
    request: str
    text: str


@dataclass(frozen=True)
class Action:
    """What a release script does: commands before, on each host, and after; `{host}` is the loop's."""

    key: str
    requests: tuple[str, ...]
    remark: str  # a comment with words that belong to other actions
    before: tuple[str, ...] = ()
    each: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


ACTIONS = (
    Action(
        "deploy",
        ("Bring {service} {version} to {hosts}, one host after the other.", "Roll {service} {version} out on {hosts}."),
        "no rollback here, see the script of that name",
        ("artifact fetch {service} {version}",),
        (
            "balancer drain {host}",
            "ssh {host} install {service}-{version}",
            "ssh {host} systemctl restart {service}",
            "balancer join {host}",
        ),
        ("probe https://{service}.bank.example/health",),
    ),
    Action(
        "rollback",
        (
            "Take {service} back to {old} on {hosts}.",
            "The release of {service} went wrong: return to {old} on {hosts}.",
        ),
        "deploys nothing new",
        ("flag set {service} frozen",),
        ("ssh {host} install {service}-{old}", "ssh {host} systemctl restart {service}"),
        ("probe https://{service}.bank.example/health", "flag clear {service} frozen"),
    ),
    Action(
        "backup",
        ("Back up the database of {service} and prove that the copy can be read.", "Save and verify {service}'s data."),
        "run this before every migration",
        (
            "pg_dump --format custom --file /backup/{service}-{version}.dump {database}",
            "pg_restore --list /backup/{service}-{version}.dump",
        ),
        (),
        ("chmod 400 /backup/{service}-{version}.dump",),
    ),
    Action(
        "migrate",
        (
            "Migrate the schema of {service} to {version}, with a backup first.",
            "Apply {version}'s migrations to {service}.",
        ),
        "the rollback of a migration is the backup",
        ("pg_dump --format custom --file /backup/{service}-before-{version}.dump {database}",),
        ("ssh {host} systemctl stop {service}",),
        ("flyway -schemas={database} -target={version} migrate", "flyway -schemas={database} validate"),
    ),
    Action(
        "renew_certificate",
        (
            "Renew the certificate of {service} on {hosts} without a restart.",
            "Put a fresh TLS certificate on {hosts} for {service}.",
        ),
        "passwords are rotated elsewhere",
        ("certbot renew --cert-name {service}.bank.example",),
        ("scp /etc/certs/{service}.pem {host}:/etc/certs/", "ssh {host} systemctl reload {service}"),
        ("probe https://{service}.bank.example/health",),
    ),
    Action(
        "clean_logs",
        (
            "Remove logs of {service} older than {days} days on {hosts}.",
            "Free the log volume of {hosts}: keep {days} days.",
        ),
        "backups are not touched",
        (),
        ("ssh {host} find /var/log/{service} -name '*.gz' -mtime +{days} -delete", "ssh {host} df -h /var/log"),
        (),
    ),
    Action(
        "drain",
        (
            "Take {hosts} out of the balancer for maintenance of {service}.",
            "Drain {hosts} so that {service} can be serviced.",
        ),
        "does not stop, restart or deploy",
        ("alert silence {service} 60m",),
        ("balancer drain {host}", "balancer wait {host} --connections 0"),
        ("balancer status {service}",),
    ),
    Action(
        "rerun_batch",
        (
            "Run last night's batch of {service} again, but never twice at once.",
            "Repeat the failed batch run of {service}.",
        ),
        "the schema is checked, not migrated",
        ("lock take {service}-batch", "batch check {service}", "batch run {service} --resume"),
        (),
        ("lock free {service}-batch", "batch report {service}"),
    ),
    Action(
        "smoke_test",
        ("Check that {service} {version} is alive on {hosts} after its release.", "Smoke-test {service} on {hosts}."),
        "changes nothing, so no rollback is needed",
        (),
        ("probe http://{host}:8443/health", "probe http://{host}:8443/version --expect {version}"),
        ("probe https://{service}.bank.example/login",),
    ),
    Action(
        "toggle_flag",
        (
            "Switch the new limits of {service} on for {days} percent of the customers.",
            "Give {days} percent of {service}'s users the new limits.",
        ),
        "a canary without a deploy",
        ("flag show {service} new-limits", "flag set {service} new-limits --percent {days}"),
        ("ssh {host} cachectl flush {service}",),
        ("metrics check {service} --errors-below 1",),
    ),
    Action(
        "rotate_secret",
        (
            "Rotate the database secret of {service} and restart it on {hosts}.",
            "Give {service} a new password for its database.",
        ),
        "certificates have a script of their own",
        ("vault rotate database/{service}",),
        ("ssh {host} systemctl restart {service}", "probe http://{host}:8443/health"),
        ("vault revoke-old database/{service}",),
    ),
    Action(
        "publish_config",
        (
            "Publish the configuration of {service} {version} to {hosts}.",
            "Send {service}'s validated settings to {hosts}.",
        ),
        "the binaries stay as they are",
        ("configlint /srv/config/{service}/{version}.yaml",),
        (
            "scp /srv/config/{service}/{version}.yaml {host}:/etc/{service}.yaml",
            "ssh {host} systemctl reload {service}",
        ),
        ("probe https://{service}.bank.example/health",),
    ),
)


def scripts(seed: int = 0, count: int = COUNT) -> tuple[Script, ...]:
    """All scripts: the actions in equal numbers; from the sixteenth of an action on they resemble an earlier one."""
    rng, found = stream(seed, "scripts"), list[Script]()
    for number in range(count):
        action, turn = ACTIONS[number % len(ACTIONS)], number // len(ACTIONS)
        service = words.SERVICES[(turn * 7 + number) % len(words.SERVICES)]
        found.append(script(rng, number, action, service))
    return tuple(found)


def script(rng: random.Random, number: int, action: Action, service: str) -> Script:
    """One script, its language, hosts and layout drawn at random."""
    hosts = rng.sample(words.HOSTS, rng.randint(1, 4))
    minor = rng.randint(1, 40)
    slots = {
        "service": service,
        "database": service.replace("-", "_"),
        "version": f"{rng.randint(1, 9)}.{minor}.0",
        "hosts": " and ".join(filter(None, (", ".join(hosts[:-1]), hosts[-1]))),
        "days": str(rng.choice([5, 7, 10, 14, 21, 30])),
    }
    slots["old"] = f"{slots['version'][0]}.{minor - 1}.{rng.randint(0, 9)}"
    language = rng.choice(["shell", "python"])
    request = rng.choice(action.requests).format(**slots)
    write = in_shell if language == "shell" else in_python
    text = write(request, action, hosts, slots, rng.randrange(2))
    ending = "sh" if language == "shell" else "py"
    name = f"{action.key}-{service}-{number + 1:03}.{ending}"
    return Script(name, language, action.key, service, request, text)


def in_shell(request: str, action: Action, hosts: list[str], slots: dict[str, str], style: int) -> str:
    """The action as a shell script, in one of two layouts."""

    def line(command: str) -> str:
        parts = shlex.split(command.format(host="\0", **slots))
        return "run " + " ".join('"$host"'.join(map(quoted, part.split("\0"))) for part in parts)

    def quoted(part: str) -> str:
        return shlex.quote(part) if part else ""

    loop = [f"for host in {' '.join(hosts)}; do", *(f"  {line(command)}" for command in action.each), "done"]
    if style:
        loop = [f"hosts=({' '.join(hosts)})", 'for host in "${hosts[@]}"; do', *loop[1:]]
    lines = [
        "#!/usr/bin/env bash",
        f"# {request}",
        f"# Note: {action.remark}.",
        "set -euo pipefail",
        'run() { echo "+ $*"; [ "${DRY_RUN:-1}" = 1 ] || "$@"; }',
        "",
        *map(line, action.before),
        *(loop if action.each else ()),
        *map(line, action.after),
    ]
    return "\n".join([*lines, f'echo "{action.key} of {slots["service"]}: done"', ""])


def in_python(request: str, action: Action, hosts: list[str], slots: dict[str, str], style: int) -> str:
    """The action as a Python script, in one of two layouts."""

    def line(command: str) -> str:
        parts = shlex.split(command.format(host="\0", **slots))
        return f"run({', '.join(argument(part) for part in parts)})"

    def argument(part: str) -> str:
        if part == "\0":
            return "host"
        return f'f"{part.replace(chr(0), "{host}")}"' if "\0" in part else f'"{part}"'

    body = [
        *map(line, action.before),
        *(
            [f"for host in {hosts!r}:".replace("'", '"'), *(f"    {line(command)}" for command in action.each)]
            if action.each
            else ()
        ),
        *map(line, action.after),
        f'print("{action.key} of {slots["service"]}: done")',
    ]
    if style:
        body = [
            "def main() -> None:",
            *(f"    {text}" for text in body),
            "",
            "",
            'if __name__ == "__main__":',
            "    main()",
        ]
    lines = [
        "#!/usr/bin/env python3",
        f'"""{request}',
        "",
        f"Note: {action.remark}.",
        '"""',
        "",
        "import os",
        "import subprocess",
        "",
        "",
        "def run(*command):",
        '    print("+", *command)',
        '    if os.environ.get("DRY_RUN", "1") != "1":',
        "        subprocess.run(command, check=True)",
        "",
        "",
    ]
    return "\n".join([*lines, *body, ""])
