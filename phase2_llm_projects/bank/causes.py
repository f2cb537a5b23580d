"""Why things break at this bank: twelve root causes, each with what one sees, what the log says, and what helps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """A root cause. Each tuple holds ways to say one thing; `steps` are done in their order."""

    key: str
    titles: tuple[str, ...]
    symptoms: tuple[str, ...]
    logs: tuple[str, ...]
    findings: tuple[str, ...]
    verdicts: tuple[str, ...]
    steps: tuple[str, ...]
    suspicion: str  # what is said where it was suspected and was not it


CAUSES = (
    Cause(
        "expired_certificate",
        ("{service} refuses all connections", "Handshakes with {service} fail"),
        ("Clients end at once, before any request is read.", "Every call ends in the handshake, from all hosts alike."),
        ("SSLHandshakeException: validity check failed", "x509: not valid after {day}"),
        ("the chain presented by {host} ended on {day}", "openssl shows an end date that has passed"),
        ("the TLS certificate of {service} had expired", "nobody had renewed the certificate on {host}"),
        ("issue a new certificate", "install it on {host}", "reload {service}", "set an alert 30 days before the end"),
        "The certificate is good for another year.",
    ),
    Cause(
        "full_disk",
        ("{service} stops writing", "{service} answers, but nothing is saved"),
        ("Reads work, every write fails.", "New files have a length of zero, old ones are fine."),
        ("No space left on device", "write /var/log/{service}: ENOSPC"),
        ("the log volume of {host} is at 100%", "rotated logs were never removed on {host}"),
        ("the disk of {host} was full of old logs", "log rotation on {host} had stopped, and the volume filled up"),
        ("remove logs older than 14 days on {host}", "restart {service}", "mend the rotation", "alert at 85%"),
        "The disk is half empty.",
    ),
    Cause(
        "pool_exhausted",
        ("{service} hangs under load", "Requests to {service} wait, then fail"),
        ("It is quick when idle and hangs at peak.", "Threads wait and the processor has nothing to do."),
        (
            "HikariPool: connection is not available, request timed out after 30000ms",
            "pool size {count}, active {count}",
        ),
        ("a code path returns without giving its connection back", "all connections are held by sleeping sessions"),
        (
            "connections to the database were leaked until the pool was empty",
            "the connection pool of {service} ran dry",
        ),
        ("restart {service} to free the connections", "close the connection in every path", "watch the pool's use"),
        "The connection pool is nowhere near its limit.",
    ),
    Cause(
        "bad_config",
        ("{service} behaves differently since the release", "{service} {version} uses values of another environment"),
        ("The same build is fine in test.", "Only production is wrong, and only since {day}."),
        ("unknown property limits.daily, default is used", "profile=test loaded on {host}"),
        ("the file on {host} names the test system", "a key was renamed in {version} and the file was not"),
        ("{service} {version} was started with the configuration of test", "a setting of {service} had the wrong name"),
        ("restore the file of the last release", "restart {service} on {host}", "validate settings at start"),
        "The configuration is byte for byte that of last week.",
    ),
    Cause(
        "memory_leak",
        ("{service} slows down from day to day", "{service} is killed every few hours"),
        ("Fast after a restart, slow by the evening.", "Pauses grow until the process disappears."),
        ("java.lang.OutOfMemoryError: Java heap space", "oom-killer: killed process {count} ({service})"),
        ("the heap holds a session for everybody who ever logged in", "a cache in {service} has no bound"),
        ("a cache of {service} grew without limit until memory ran out", "{service} {version} leaks memory"),
        ("restart {service} on {host}", "bound the cache", "roll back to the version before {version}"),
        "Memory is flat over the whole week.",
    ),
    Cause(
        "clock_drift",
        ("Tokens of {service} are refused at random", "{service} says that requests come from the future"),
        ("A login works on the second try, on another host.", "Only requests by way of {host} fail."),
        ("JWT not yet valid: iat is ahead of now", "clock skew of {count} s exceeds 30 s"),
        ("chrony on {host} has had no source since {day}", "{host} is minutes ahead of its neighbours"),
        ("the clock of {host} had drifted", "time synchronisation on {host} had stopped, so tokens were out of time"),
        ("set the time on {host}", "restart chronyd", "alert on an offset above one second"),
        "All clocks agree to the millisecond.",
    ),
    Cause(
        "lock_contention",
        ("Bookings in {service} time out in pairs", "{service} rolls back transactions"),
        ("Two kinds of booking never succeed at the same time.", "It is worst when the batch and the day overlap."),
        (
            "deadlock detected: process {count} waits for ShareLock",
            "Lock wait timeout exceeded; try restarting transaction",
        ),
        ("two transactions take the same rows in a different order", "a report holds a lock on the ledger for minutes"),
        ("transactions of {service} deadlocked on the ledger", "a long report locked the table that {service} writes"),
        ("end the blocking session", "take rows in one order everywhere", "run the report on the replica"),
        "There are no locks to be seen.",
    ),
    Cause(
        "consumer_backlog",
        ("Confirmations of {service} arrive hours late", "{service} is up and shows yesterday"),
        ("Nothing is lost, everything is late.", "New events wait behind old ones."),
        ("consumer lag {count}000 on partition 3", "rebalance: member left, max.poll.interval exceeded"),
        ("one message fails, is retried for ever and holds up its partition", "one of three consumers died on {day}"),
        ("a poison message blocked the queue of {service}", "consumers of {service} were too few to keep up"),
        ("move the failing message aside", "start the consumers again", "bound the retries", "alert on the lag"),
        "The queue is empty.",
    ),
    Cause(
        "expired_credential",
        ("{service} cannot reach its database", "The night's jobs of {service} are denied"),
        ("People can log in, the service user cannot.", "It began at midnight, without a release."),
        ("ORA-28001: the password has expired", "401 invalid_client for svc_{count}"),
        ("the service user's password ended after 90 days", "the secret was changed in the vault and not in {service}"),
        ("the password of the service user had expired", "{service} still used the old secret after its rotation"),
        ("set a new secret in the vault", "restart {service} so that it reads it", "rotate both places in one job"),
        "The password was changed last week and works.",
    ),
    Cause(
        "firewall_rule",
        ("{service} cannot be reached from the branches", "{host} sees no packets from {service}"),
        ("From one network all is well, from the other nothing arrives.", "Connections are not refused, they vanish."),
        ("connect timed out: {ip}:8443", "no route: SYN sent, no answer, {count} retries"),
        ("the rule for {ip} is missing since the change of {day}", "the new rule set forgets the branches"),
        ("a firewall rule for {ip} had been removed", "the network change of {day} cut {service} off"),
        ("put the rule for {ip} back", "test from both networks", "add the path to the network's checks"),
        "The firewall lets everything through.",
    ),
    Cause(
        "failed_migration",
        ("{service} fails on every query since {version}", "Half of the hosts of {service} read old columns"),
        ("Old sessions work, new ones fail on the first query.", "The screen is empty though the data is there."),
        ('column "limit_cents" does not exist', "Flyway: migration {version} failed, schema is dirty"),
        ("the script stopped in the middle and was not repeated", "the code of {version} went out before its schema"),
        ("the migration of {version} was applied by half", "schema and code of {service} were of different versions"),
        ("stop {service}", "restore the backup or finish the migration", "check the schema version at start"),
        "The schema is the one that the code wants.",
    ),
    Cause(
        "overlapping_jobs",
        ("Fees of {service} were booked twice", "Two files of {service} for one day"),
        ("Every booking of the night exists twice.", "Totals are exactly double for some accounts."),
        ("job started while previous run {count} is active", "lock file is older than 24h, ignored"),
        ("the run of {day} took longer than a day, and the next one did not wait", "cron starts it on two hosts"),
        ("two runs of the same job overlapped", "the batch of {service} ran on two hosts at once"),
        ("stop the second run", "reverse the double bookings", "let the job take a lock that ends with it"),
        "The batch ran once.",
    ),
)
BY_KEY = {cause.key: cause for cause in CAUSES}
