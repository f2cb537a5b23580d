"""What the log lesson and its program read and write: a synthetic release log, log formats, a detector, reports."""

from phase3_apply.anomaly.releases import Release, release_log

__all__ = ["Release", "release_log"]
