"""A report as its author keeps it: a file with a head."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_tracker.errors import TrackerError
from speech_experiment_tracker.report_files import ReportFile, read

ID = "0199a3c2-7f1e-7a41-9d5b-0c2f3e4d5a6b"
_LINE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)


@given(_LINE, st.lists(_LINE | st.just("") | st.just("---"), max_size=5), st.none() | st.just("vAAA"))
def test_what_is_written_is_read_again(title: str, lines: list[str], as_of: str | None) -> None:
    report = ReportFile(title, "\n".join(lines).strip("\n"), ID, 3, as_of)
    assert read(report.text()) == report
    assert read(report.text().replace("\n", "\r\n")) == report


def test_a_file_without_a_head_is_a_new_report() -> None:
    assert read("# Title\n\n---\n") == ReportFile(None, "# Title\n\n---\n")
    assert read("---\ntitle: a: b\n---\ntext") == ReportFile("a: b", "text")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("---\ntitle: x\n", "line 1"),
        ("---\n\ncolour: red\n---\n", "line 3"),
        ("---\nreport: 12\n---\n", "report:"),
        (f"---\nreport: {ID}\nrevision: x\n---\n", "revision:"),
    ],
)
def test_a_wrong_head_is_named_by_its_line(text: str, told: str) -> None:
    with pytest.raises(TrackerError, match=told):
        read(text)
