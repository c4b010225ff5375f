"""highdicom finds in its list of modules what it always finds there, and reads no more of it."""

from __future__ import annotations

import json
from pathlib import Path

import highdicom.base
import highdicom.image
import pytest
from highdicom import _standard_utils

from validation_reports.dicom import standard_tables
from validation_reports.dicom.region_groups import read_standard
from validation_reports.dicom.standard_tables import (
    ModuleAttributes,
    module_attributes,
    read_by_module,
)


def test_every_module_has_the_attributes_that_highdicom_lists() -> None:
    path = Path(highdicom.__file__).parent / "_standard" / "module_attribute_map.json"
    assert dict(ModuleAttributes(path)) == json.loads(path.read_bytes())


def test_a_module_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "modules.json"
    path.write_text('{\n  "patient": [\n    1\n  ],\n  "none": [],\n  "torn": [\n    1,\n  ]\n}\n')
    found = ModuleAttributes(path)
    assert (list(found), len(found)) == (["patient", "none", "torn"], 3)
    assert "torn" in found
    assert "1" not in found
    assert (found["patient"], found["none"]) == ([1], [])
    assert found["patient"] is found["patient"]
    with pytest.raises(KeyError):
        found["1"]
    with pytest.raises(ValueError, match="Expecting value"):
        found["torn"]


def test_it_is_what_it_was_when_another_version_is_installed_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "modules.json"
    path.write_text('{\n  "patient": [\n    1\n  ]\n}')
    found = ModuleAttributes(path)
    path.unlink()
    path.write_text('{\n  "patient": [\n    2\n  ]\n}')
    assert found["patient"] == [1]


def test_highdicom_looks_modules_up_here_once_a_process_has_prepared_for_reports() -> None:
    read_standard()
    for module in (_standard_utils, highdicom.base, highdicom.image):
        assert module.get_module_attribute_map is module_attributes
    assert _standard_utils.is_attribute_in_iod("RescaleSlope", "1.2.840.10008.5.1.4.1.1.2")
    assert not _standard_utils.is_attribute_in_iod("NumberOfFrames", "1.2.840.10008.5.1.4.1.1.2")


def test_a_list_that_is_laid_out_in_another_way_is_left_to_highdicom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "modules.json"
    path.write_text('{"patient": [1]}')
    with pytest.raises(ValueError, match="no JSON object that is indented by two"):
        ModuleAttributes(path)
    own = _standard_utils.get_module_attribute_map
    monkeypatch.setattr(standard_tables, "module_attributes", lambda: ModuleAttributes(path))
    read_by_module()
    assert _standard_utils.get_module_attribute_map is own
