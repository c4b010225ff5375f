"""The running node: what it offers by its settings, and how it ends."""

from __future__ import annotations

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from deploy.local.processes import free_port
from dicom_node.node import Node
from dicom_node.settings import NodeSettings
from tests.support.intake_bench import KEY, ct_slice, request, take


def test_stow_rs_is_served_on_its_port_to_who_has_a_token(settings_file: Path) -> None:
    settings = NodeSettings.load(settings_file)
    settings = settings.model_copy(
        update={"node": settings.node.model_copy(update={"stow_port": free_port()})}
    )
    nobody = Node(settings, KEY)
    with pytest.raises(ValueError, match="no centre could use it"):
        nobody.start()
    nobody.stop()
    node = Node(settings, KEY, tokens={"alpha": "a token that is long enough"})
    node.start()
    try:
        assert node.stow_address is not None
        with pytest.raises(HTTPError) as refused:
            urlopen(node.stow_address, b"", timeout=10)
        refused.value.close()
        assert refused.value.code == 401
        assert node.problem() is None
        assert 'annulus_node_web_requests_total{center="",status="401"} 1' in node.metrics()
    finally:
        node.stop()


def test_a_node_settles_what_it_has_received_and_lets_go_of_its_folder(settings_file: Path) -> None:
    for _ in range(2):
        node = Node(NodeSettings.load(settings_file), KEY)
        node.start()
        assert node.port == NodeSettings.load(settings_file).node.port
        take(node.intake, "alpha", request(ct_slice(0)))
        node.stop()
        assert not node.failed.is_set()
