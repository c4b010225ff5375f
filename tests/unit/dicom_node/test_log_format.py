"""The log: one JSON object a line, for whoever collects it."""

from __future__ import annotations

import json
import logging

import pytest

from dicom_node.audit import AuditEvent, record
from dicom_node.log_format import JsonFormatter


def test_a_json_log_is_one_object_a_line_and_carries_the_audit_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        record(
            AuditEvent.ASSOCIATION_OPENED,
            center="alpha",
            calling="ALPHA",
            address="192.0.2.1",
            kind=None,
        )
    line = json.loads(JsonFormatter().format(caplog.records[-1]))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "dicom_node.audit",
        "message": "association-opened center=alpha calling=ALPHA address=192.0.2.1",
        "event": "association-opened",
        "center": "alpha",
        "calling": "ALPHA",
        "address": "192.0.2.1",
    }
