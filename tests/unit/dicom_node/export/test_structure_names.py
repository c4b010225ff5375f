"""Names of structures: plain ones stay, those that may name somebody go."""

from __future__ import annotations

import pytest

from dicom_node.export.structure_names import plain_structure_name


@pytest.mark.parametrize(
    ("name", "exported_name"),
    [
        ("GTV-1", "GTV-1"),
        ("gtv_pre-op", "gtv_pre-op"),
        ("GTV_Mass_CT", "GTV_Mass_CT"),
        ("GTVp1 (60 Gy)", "GTVp1 (60 Gy)"),
        ("Lung_L", "Lung_L"),
        ("", ""),
        ("GTV_Smith", "ROI 7"),
        ("GTV 19610213", "ROI 7"),
        ("GTV 4711", "ROI 7"),
        ("GTV\n1", "ROI 7"),
        ("GTV é", "ROI 7"),
        ("Li GTV", "ROI 7"),
        ("Smith's own", "Smith's own"),
    ],
)
def test_a_structures_name_stays_only_when_it_names_nobody(name: str, exported_name: str) -> None:
    assert plain_structure_name(name, 7, keep=("Smith's own",), never=("4711",)) == exported_name
