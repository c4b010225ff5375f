"""The content of a study has one digest, whatever the order."""

from __future__ import annotations

import random

from dicom_node.registry.decisions import content_digest


def test_the_content_digest_depends_on_what_and_not_on_the_order() -> None:
    pairs = [("1.1", "a"), ("1.2", "b"), ("1.3", "c")]
    digests = set()
    for seed in range(5):
        random.Random(seed).shuffle(pairs)
        digests.add(content_digest(pairs))
    # printf '1.1 a\n1.2 b\n1.3 c\n' | sha256sum
    assert digests == {"cb45c9fd6c6503d78224f2ae2a7a0928eeb8d9bac1925060fe3f6bce647eb19e"}
    assert content_digest([("1.1", "a"), ("1.2", "B")]) != content_digest(
        [("1.1", "a"), ("1.2", "b")]
    )
