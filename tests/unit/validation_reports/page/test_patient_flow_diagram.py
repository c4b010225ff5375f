"""A long or hostile reason stays inside its box of the diagram."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from validation_reports.cohort.patient_flow import patient_flow
from validation_reports.page.patient_flow_diagram import flow_diagram


def test_the_diagram_is_svg_whose_text_stays_inside() -> None:
    reasons = [
        (f"quarantined: <b>{'a very long sentence ' * 20}{number}", ["k"] * 3)
        for number in range(9)
    ]
    diagram = flow_diagram(patient_flow(5, reasons), 3, "Ü & <x>")
    tree = ET.fromstring(diagram)  # noqa: S314 - our own
    texts = ["".join(element.itertext()) for element in tree.iter() if element.tag.endswith("text")]
    assert "5 patients, 3 deaths" in texts
    assert "27 patients went no further" in texts
    assert "12: 4 other reasons, listed below" in texts
    assert max(len(text) for text in texts) <= 54
    assert re.fullmatch(r"[a-z0-9-]+", tree.attrib["id"])
