"""What a node keeps: the indexed instances, and the bytes of their files."""

from __future__ import annotations

from pathlib import Path

from dicom_node.registry.registry import Registry
from tests.support.part10 import read_part10


def kept_instances(registry: Registry, archive: Path) -> dict[str, str]:
    """Return the SHA-256 of the dataset of every file that the registry knows, by its SOP Instance
    UID.
    """
    indexed = registry.instances.paths()
    kept = {}
    for path in archive.glob("*/*/*.dcm"):
        if str(path.relative_to(archive)) in indexed:
            instance = read_part10(path)
            kept[instance.sop_instance_uid] = instance.content_sha256
    return kept
