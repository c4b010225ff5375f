"""One installation on this machine: its settings, its secrets, and the processes that it consists
of.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from deploy.local.first_use import AUTH_VARIABLE
from deploy.local.offline import OFFLINE
from deploy.local.parts import (
    DEFAULTS,
    DISPATCHER,
    NODE,
    caches,
    deployments,
    prefect_server,
    report_pages,
)
from deploy.local.processes import ROOT, listens, reachable
from deploy.local.supervisor import Part, SystemFolder
from dicom_node.settings import SECRETS_NAME, SETTINGS_VARIABLE, read_secrets
from flows.settings import Settings


@dataclass(frozen=True)
class LocalInstallation:
    """An installation that runs on this machine.

    Parameters
    ----------
    settings_file : Path
        Its settings file.
    settings : Settings
        What the file says.
    secrets : dict of str to str
        Variables of the file of secrets beside it.
    """

    settings_file: Path
    settings: Settings
    secrets: dict[str, str]

    @property
    def folder(self) -> SystemFolder:
        """Where the supervisor keeps its log and states, and Prefect its database."""
        return SystemFolder(self.settings.node.folder.absolute() / "system")

    @property
    def _own_api_url(self) -> str:
        return f"{_address(self.settings.system.host, self.settings.system.prefect_port)}/api"

    @property
    def has_own_prefect(self) -> bool:
        """Whether the supervisor starts a Prefect server; not where ``PREFECT_API_URL`` names
        another.
        """
        return self.environment()["PREFECT_API_URL"] == self._own_api_url

    @property
    def prefect_url(self) -> str:
        """The address of the Prefect server, its own or the one that ``PREFECT_API_URL`` names."""
        return self.environment()["PREFECT_API_URL"].removesuffix("/api")

    @property
    def reports_url(self) -> str:
        """Where the reports can be read."""
        system = self.settings.system
        return (
            self.settings.validation.reports_url or f"{_address(system.host, system.reports_port)}/"
        )

    def environment(self) -> dict[str, str]:
        """Return the environment of every part; what is set already wins over the file of
        secrets.
        """
        mine = {**self.secrets, **os.environ}
        if AUTH_VARIABLE in mine:
            mine.setdefault("PREFECT_API_AUTH_STRING", mine[AUTH_VARIABLE])
        return {
            **DEFAULTS,
            **caches(self.folder.path / "cache"),
            "PREFECT_HOME": str(self.folder.path / "prefect"),
            "PREFECT_LOGGING_LEVEL": "INFO",
            "PYTHONUNBUFFERED": "1",
            "PREFECT_API_URL": self._own_api_url,
            "ANNULUS_VALIDATION__REPORTS_URL": self.reports_url,
            **mine,
            **OFFLINE,
            SETTINGS_VARIABLE: str(self.settings_file),
            "PYTHONPATH": str(ROOT),
        }

    def parts(self) -> list[Part]:
        """Return the processes of the system, in the order in which they start."""
        system, reports = self.settings.system, self.settings.reports_folder().absolute()
        reports.mkdir(parents=True, exist_ok=True)
        found = [NODE]
        if self.has_own_prefect:
            found.append(prefect_server(system.host, system.prefect_port, system.prefect_keep_days))
        found += [DISPATCHER, deployments(may_start=self.prefect_is_ready)]
        if not self.settings.validation.reports_url:
            found.append(report_pages(system.host, system.reports_port, reports))
        return found

    def prefect_is_ready(self) -> bool:
        """Say whether the Prefect server answers, and with a page where it has a UI to offer."""
        has_api = self._asked(f"{self.prefect_url}/api/health", None) is not None
        return has_api and (
            not self.has_own_prefect or self._asked(f"{self.prefect_url}/", None) is not None
        )

    def has_deployments(self) -> bool:
        """Say whether the deployments are offered."""
        count = self._asked(f"{self.prefect_url}/api/deployments/count", b"{}")
        return (count or b"0") != b"0"

    def node_listens(self) -> bool:
        """Say whether the node takes associations."""
        return listens(self.settings.node.host, self.settings.node.port)

    def ports(self) -> dict[str, tuple[str, int]]:
        """Return the addresses that the parts listen on, by the setting that changes them."""
        node, system = self.settings.node, self.settings.system
        found = {"node.port": (node.host, node.port)}
        if self.has_own_prefect:
            found["system.prefect_port"] = (system.host, system.prefect_port)
        if not self.settings.validation.reports_url:
            found["system.reports_port"] = (system.host, system.reports_port)
        if node.operations_port is not None:
            found["node.operations_port"] = (node.operations_host, node.operations_port)
        return found

    def _asked(self, url: str, body: bytes | None) -> bytes | None:
        environment = self.environment()
        # An API that the settings name
        request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
        if password := environment.get("PREFECT_API_AUTH_STRING"):
            request.add_header(
                "Authorization", f"Basic {base64.b64encode(password.encode()).decode()}"
            )
        try:
            with urlopen(request, timeout=5) as answer:  # noqa: S310 - the same
                return bytes(answer.read())
        except (URLError, OSError):
            return None


def open_installation(file: Path) -> LocalInstallation:
    """Read the settings and the secrets beside them.

    Raises
    ------
    SettingsError
        If either cannot be used.
    """
    return LocalInstallation(file, Settings.load(file), read_secrets(file.with_name(SECRETS_NAME)))


def _address(host: str, port: int) -> str:
    return f"http://{reachable(host)}:{port}"
