"""The environment in which no part of the system speaks to anybody outside."""

from __future__ import annotations

OFFLINE = {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # This UI asks a host outside; our own server does not offer it, another's may.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}
"""No telemetry, no promotion: Prefect's and Great Expectations' own switches."""
