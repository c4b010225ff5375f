"""Features that were made elsewhere are a content of their own, and recognised in another table."""

from __future__ import annotations

from feature_store.feature_tables.imported_features import ImportedFeatures
from feature_store.imaging.regions import Region
from tests.unit.feature_store.feature_tables.test_origin_settings import THERE


def imported(value: float, patient: str = "key") -> ImportedFeatures:
    values = {"original_firstorder_Mean": value, "original_shape_VoxelVolume": 1234.5678}
    return ImportedFeatures("A", patient, THERE, {Region.GTV: values})


def test_other_values_are_another_content_of_the_same_patient() -> None:
    one, other = imported(1.0).identity, imported(2.0).identity
    assert (one.study_key, one.is_of_table) == ("table-key", True)
    assert one.study_key == other.study_key
    assert one.content_digest != other.content_digest
    assert imported(1.0).identity == one


def test_the_same_image_is_recognised_under_another_patient_and_after_rounding() -> None:
    mark = imported(1.0).marks
    assert mark.same_images(imported(1.0 + 1e-9, "another").marks)
    assert not mark.same_images(imported(1.1).marks)
    assert (mark.instances, mark.persons, mark.acquired_s) == ((), (), None)
