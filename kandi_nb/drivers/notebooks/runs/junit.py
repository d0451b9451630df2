"""Tell a build server how notebooks went, in the XML that all of them read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree as xml

if TYPE_CHECKING:
    from .headless import NotebookRun


def junit(runs: Sequence[NotebookRun]) -> bytes:
    """Return a JUnit report with one test case a notebook, times in seconds."""
    failures, skipped = sum(not run.ok for run in runs), sum(run.skipped for run in runs)
    seconds = f"{sum(run.seconds for run in runs):.3f}"
    counts = {"tests": str(len(runs)), "failures": str(failures), "errors": "0"}
    counts["skipped"] = str(skipped)
    root = xml.Element("testsuites", {**counts, "time": seconds})
    suite = xml.SubElement(root, "testsuite", {"name": "notebooks", **counts, "time": seconds})
    for run in runs:
        case = {"classname": "notebooks", "name": _for_xml(run.notebook)}
        element = xml.SubElement(suite, "testcase", {**case, "time": f"{run.seconds:.3f}"})
        if not run.ok:
            failure = xml.SubElement(element, "failure", {"message": _for_xml(run.reason)})
            failure.text = _for_xml(f"{run.reason}{run.where_to_look}")
        elif run.skipped:
            xml.SubElement(element, "skipped", {"message": _for_xml(run.reason)})
    return xml.tostring(root, encoding="utf-8", xml_declaration=True)


def _for_xml(text: str) -> str:
    """Return the text without the control characters that XML cannot hold, even escaped."""
    return "".join(c if c >= " " and c not in "\ufffe\uffff" else " " for c in text).encode(
        "utf-8", "replace"
    ).decode("utf-8")  # fmt: skip
