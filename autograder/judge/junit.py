"""Reports as JUnit XML, for continuous integration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from autograder.judge.report import CheckReport, Report


def junit(reports: Sequence[Report]) -> str:
    """Reports as JUnit XML: a suite per submission, a case per check."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        suite = ElementTree.SubElement(root, "testsuite", name=clean(f"{report.exercise}: {report.path}"))
        counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
        if report.error is not None:
            counts["tests"] = counts["errors"] = 1
            case = ElementTree.SubElement(suite, "testcase", name="read", classname=report.exercise)
            ElementTree.SubElement(case, "error", message=clean(report.error))
        for part in report.parts:
            for check in part.checks or (CheckReport(part.part, part.outcome, message=part.message),):
                counts["tests"] += 1
                name = f"{report.exercise}.{part.part}"
                case = ElementTree.SubElement(suite, "testcase", name=clean(check.name), classname=name)
                add_outcome(case, check, counts)
        suite.attrib.update({key: str(value) for key, value in counts.items()}, time=f"{report.seconds:.4f}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def add_outcome(case: ElementTree.Element, check: CheckReport, counts: dict[str, int]) -> None:
    """Describe a check that did not pass in JUnit's words."""
    kinds = {"failed": "failure", "crashed": "error", "timed_out": "error", "not_started": "skipped"}
    kind = kinds.get(check.outcome)
    if kind is None:
        return
    counts["failures" if kind == "failure" else "errors" if kind == "error" else "skipped"] += 1
    element = ElementTree.SubElement(case, kind, message=clean(check.message or check.outcome), type=check.outcome)
    if check.got or check.want:
        element.text = clean(f"got {check.got}\nwanted {check.want}")


def clean(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text)
