"""What a run shows of a score: the picture, the score and every warning, and words as words."""

from __future__ import annotations

import base64

from models.combined.combined_model import Risk
from validation_reports.page.score_markdown import score_markdown

RISK = Risk(0.4321, True, {365: 0.61, 730: 0.37}, {"gtv": 0.4321})


def test_picture_score_and_warnings_are_there_under_the_pseudonym() -> None:
    warnings = ("The ROI is called `GTV_1` <b>.", "No tube\nvoltage.")
    text = score_markdown("abcd2345", "Not for clinical use.", RISK, 0.1, b"PNG", warnings)
    assert text.startswith("**Not for clinical use.**\n\n## High risk: score +0.432\n")
    assert "Patient abcd2345. Above the cut-off +0.100 the risk is high." in text
    assert "being alive: 61% after 1 year, 37% after 2 years." in text
    assert f"(data:image/png;base64,{base64.b64encode(b'PNG').decode()})" in text
    assert text.endswith("- The ROI is called \\`GTV\\_1\\` \\<b\\>.\n- No tube voltage.")
    assert score_markdown("abcd2345", "", RISK, 0.1, b"", ()).endswith("### Warnings\n\nNone.")
