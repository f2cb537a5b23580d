"""Contracts of twenty agents: what each is for, which tools it may use with which arguments, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

TYPES: dict[str, Schema] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "count": {"type": "integer", "minimum": 0},
}
SLOTS: dict[str, Schema] = {
    "service": {**TYPES["text"], "description": "name of a service, such as card-ledger"},
    "host": {**TYPES["text"], "pattern": "^[a-z]{2,4}-[0-9]{2}$"},
    "ticket": {**TYPES["text"], "pattern": "^INC[0-9]{8}$"},
    "version": {**TYPES["text"], "pattern": "^[0-9]+[.][0-9]+[.][0-9]+$"},
    "since": {**TYPES["text"], "format": "date-time"},
    "day": {**TYPES["text"], "format": "date"},
    "query": {**TYPES["text"], "minLength": 3},
    "text": TYPES["text"],
    "amount": {**TYPES["number"], "exclusiveMinimum": 0},
    "account": {**TYPES["text"], "description": "a pseudonym, never the number itself"},
    "environment": {"type": "string", "enum": ["test", "staging", "production"]},
    "severity": {"type": "string", "enum": ["low", "medium", "high"]},
    "minutes": {**TYPES["count"], "maximum": 240},
    "percent": {**TYPES["count"], "maximum": 100},
    "team": TYPES["text"],
}


@dataclass(frozen=True)
class Tool:
    """A tool as models are told of it: name, description, and a JSON schema of its arguments."""

    name: str
    description: str
    parameters: Schema


@dataclass(frozen=True)
class Limits:
    """What an agent may use up for one task; `approval` names the tools that a human has to release."""

    calls: int
    seconds: int
    tokens: int
    approval: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agent:
    """The contract of one agent."""

    name: str
    description: str
    tools: tuple[Tool, ...]
    limits: Limits


# name | what it is for | tools: name(required, optional?) what it does | those that need approval
CONTRACTS = """
    log_reader | Finds and quotes log lines of a service, and draws no conclusions. | search_logs(service, query, since?) finds log lines; tail_logs(host, minutes?) returns the latest lines |
    metric_watcher | Reads metrics and says where a curve left its usual range. | read_metric(service, query, since) returns a series; compare_days(service, query, day) compares with the day before |
    root_cause | Names the likeliest cause of an incident, with its evidence. | search_logs(service, query, since?) finds log lines; list_changes(service, since) lists releases and settings; similar_incidents(text) finds earlier incidents |
    deployer | Brings a version of a service to an environment. | deploy(service, version, environment) starts a release; deployment_status(service, environment) tells how far it is | deploy
    rollback_pilot | Takes a service back to its last good version. | last_good(service, environment) names a version; roll_back(service, version, environment) returns to it | roll_back
    config_checker | Validates settings before they are published, and explains what is wrong. | validate_config(service, version) checks a file; diff_config(service, version, environment) compares with what runs |
    schema_keeper | Plans and checks database migrations; does not deploy code. | plan_migration(service, version) lists steps; check_schema(service, environment) compares schema and code; migrate(service, version, environment) runs a migration | migrate
    certificate_clerk | Keeps track of certificates and renews them in time. | list_certificates(service?) lists end dates; renew_certificate(service, host?) renews one | renew_certificate
    secret_rotator | Rotates passwords and tokens; never shows one. | rotate_secret(service, environment) makes a new one; secret_age(service) tells the age in days | rotate_secret
    batch_operator | Watches the night's jobs and repeats those that failed. | list_runs(service, day) lists runs; rerun_batch(service, day) starts one again; stop_batch(service) stops one | rerun_batch, stop_batch
    queue_doctor | Looks after queues: lag, stuck messages, consumers. | queue_lag(service) tells the lag; set_aside(service, ticket) moves a message aside; restart_consumers(service) restarts readers | set_aside
    host_keeper | Cleans disks, corrects clocks and restarts services on a host. | disk_use(host) tells how full it is; clean_logs(host, minutes?) removes old logs; restart_service(host, service) restarts one | restart_service
    network_scout | Finds out between which networks traffic is lost. | trace_path(host, service) lists hops; list_rules(host) lists firewall rules |
    test_runner | Runs tests of a service and reports what failed. | run_tests(service, version, environment) runs a suite; last_results(service) returns the latest report |
    guide_writer | Writes a guide from runbooks and notes, with a source for each claim. | search_runbooks(query) finds passages; save_draft(ticket, text) keeps a draft |
    script_writer | Writes release scripts that parse, and runs them only without effect. | search_scripts(query) finds scripts; check_script(text) parses one; dry_run(text) shows what it would do |
    ticket_clerk | Opens, links and closes tickets. | open_ticket(service, text, severity) opens one; link_tickets(ticket, text) joins two; close_ticket(ticket, text) closes one |
    customer_voice | Drafts replies to customers, without personal data. | read_ticket(ticket) returns a pseudonymised ticket; draft_reply(ticket, text) keeps a reply | draft_reply
    payment_tracer | Follows a payment through clearing and says where it is. | find_payment(account, amount, day) finds bookings; payment_status(ticket) tells where it stopped |
    duty_planner | Knows who is on duty, and hands over. | who_is_on_duty(team, day?) returns a role, not a name; page_team(team, ticket, severity) wakes somebody; silence_alert(service, minutes) quiets an alert | page_team
    """


def agents() -> tuple[Agent, ...]:
    """All contracts; they do not depend on a seed."""
    lines = [line.strip() for line in CONTRACTS.strip().splitlines()]
    return tuple(contract(line, number) for number, line in enumerate(lines))


def contract(line: str, number: int) -> Agent:
    """Read one line of CONTRACTS."""
    name, description, listing, approval = (part.strip() for part in line.split("|"))
    tools = tuple(tool(entry.strip()) for entry in listing.split(";"))
    waits = tuple(filter(None, (word.strip() for word in approval.split(","))))
    limits = Limits(
        calls=4 + 2 * len(tools), seconds=30 if waits else 60, tokens=2000 + 500 * (number % 3), approval=waits
    )
    return Agent(name, description, tools, limits)


def tool(entry: str) -> Tool:
    """Read `name(required, optional?) what it does`."""
    name, rest = entry.split("(", 1)
    arguments, description = rest.split(")", 1)
    names = [word.strip() for word in arguments.split(",")]
    schema = {
        "type": "object",
        "properties": {word.rstrip("?"): SLOTS[word.rstrip("?")] for word in names},
        "required": [word for word in names if not word.endswith("?")],
        "additionalProperties": False,
    }
    return Tool(name, description.strip(), schema)
