"""A manifest comes back from the registry as it was read."""

from __future__ import annotations

from dataclasses import replace

from dicom_node.datasets.manifest import DrawnContours, Roi
from dicom_node.registry.manifest_record import manifest_of, manifest_text
from tests.support.ct_on_record import listed, manifest, roi


def test_a_manifest_comes_back_as_it_was() -> None:
    said = manifest(
        listed(("1.1.1", "1.1.2"), "1.1"),
        listed((), None, None),
        rois=(
            roi(images=("1.1.2", "1.1.9")),
            roi("\0 Lunge größe", (), number=2, frame=None),
            Roi(None, "", None, DrawnContours(3, 2, None, ((1.5, 0.0, -2.25),), ())),
        ),
        frames=("1.9", "1.8"),
    )
    text = manifest_text(said)
    assert "1.1.9" not in text  # an instance is told by its place in the list
    assert manifest_of(text, said.referenced_sop_instance_uids, said.made_at) == said
    approved = replace(said, approval="APPROVED", other_classes=("1.2.3",))
    of_before = manifest_text(approved).replace(
        ',"other_classes":["1.2.3"],"approval":"APPROVED"', ""
    )
    for kept, expected in ((manifest_text(approved), approved), (of_before, said)):
        assert manifest_of(kept, said.referenced_sop_instance_uids, said.made_at) == expected
    nothing = manifest(rois=(), frames=())
    assert manifest_of(manifest_text(nothing), (), nothing.made_at) == nothing
