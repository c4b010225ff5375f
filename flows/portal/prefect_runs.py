"""What Prefect knows of a study: its runs, each with the sentence that it ended with."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import Request, urlopen

from flows.own_server import CLIENT_AUTH, api_url
from flows.settings import Settings

_WITHIN_S = 5.0
_MOST = 50


@dataclass(frozen=True)
class Run:
    """One run; `started_at` is as the server writes it, and empty for one that has not started."""

    run_id: str
    name: str
    state: str
    message: str
    started_at: str


def runs_of(settings: Settings, center: str, patient_key: str, study_key: str) -> list[Run] | None:
    """Return the runs of a study, the newest first; `None` where the server does not answer.

    Parameters
    ----------
    settings : Settings
        They say which server.
    center, patient_key, study_key : str
        The study's centre and pseudonyms: runs are called by them.
    """
    names = [study_key, patient_key, f"{center} · {patient_key}"]
    body = {
        "flow_runs": {"name": {"any_": names}},
        "sort": "EXPECTED_START_TIME_DESC",
        "limit": _MOST,
    }
    # An API that the settings name
    request = Request(  # noqa: S310
        f"{api_url(settings)}/flow_runs/filter",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    if password := os.environ.get(CLIENT_AUTH):
        word = base64.b64encode(password.encode()).decode()
        request.add_header("Authorization", f"Basic {word}")
    try:
        with urlopen(request, timeout=_WITHIN_S) as answer:  # noqa: S310 - the same
            found = json.loads(answer.read())
            # A patient may have other studies; who means the only one may give the patient's name
            meant = {study_key, patient_key}
            return [_run(one) for one in found if _about(one) in meant]
    except (URLError, OSError, ValueError, KeyError, TypeError):
        return None


def browser_address(settings: Settings) -> str:
    """Return where a browser reaches the Prefect UI, without a slash at its end."""
    found = settings.portal.prefect_url or api_url(settings).removesuffix("/api")
    return found.rstrip("/")


def _about(found: dict[str, object]) -> str:
    """Return the pseudonym that a run was started with."""
    parameters = found["parameters"]
    given = parameters.get("study_key") if isinstance(parameters, dict) else None
    return str(given).rpartition("·")[2].strip()


def _run(found: dict[str, object]) -> Run:
    state = found.get("state")
    message = state.get("message") if isinstance(state, dict) else None
    return Run(
        run_id=str(found["id"]),
        name=str(found["name"]),
        state=str(found.get("state_name") or "?"),
        message=str(message or ""),
        started_at=str(found.get("start_time") or "")[:16].replace("T", " "),
    )
