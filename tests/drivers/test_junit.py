"""The report for build servers holds whatever a notebook said, as XML that can be read."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from kandi_nb.drivers.notebooks.runs.gallery import junit
from kandi_nb.drivers.notebooks.runs.headless import NotebookRun


def test_times_and_failures_are_told_whatever_the_text_holds():
    good = NotebookRun("00_a", status="ok", seconds=1.25)
    text = "\x00 <b> & ]]> \ud800 \x1b[1m \uffff лиса"
    failed = NotebookRun("01_<b>", seconds=2.0, error=text, cell=3, line="line 1: x < y")
    failed.executed = Path("outputs/x.ipynb")
    suite = ElementTree.fromstring(junit([good, failed]))[0]
    assert dict(suite.items()) == {
        "name": "notebooks",
        "tests": "2",
        "failures": "1",
        "skipped": "0",
        "errors": "0",
        "time": "3.250",
    }
    assert [case.get("name") for case in suite] == ["00_a", "01_<b>"]
    assert suite[0].get("time") == "1.250" and not len(suite[0])
    (failure,) = suite[1]
    assert failure.get("message").startswith("cell 3: ") and "лиса" in failure.get("message")
    assert failure.text.endswith("look into outputs/x.ipynb, line 1: x < y")


def test_no_runs_are_a_report_too():
    assert ElementTree.fromstring(junit([])).get("tests") == "0"
