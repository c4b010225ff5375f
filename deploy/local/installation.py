"""One installation on this machine: its settings, its secrets, and the processes that it consists
of.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from deploy.local.offline import OFFLINE
from deploy.local.parts import (
    DEFAULTS,
    DISPATCHER,
    NODE,
    SERVING,
    caches,
    deployments,
    portal,
    prefect_server,
)
from deploy.local.processes import ROOT, listens
from deploy.local.supervisor import Part, SystemFolder
from dicom_node.settings import SECRETS_NAME, SETTINGS_VARIABLE, read_secrets
from dicom_node.settings.addresses import check_listening
from dicom_node.settings.contradictions import node_ports
from dicom_node.settings.environment import ENTERED_VARIABLE
from flows.own_server import answers, api_url, prefect_environment
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
        return SystemFolder(self.settings.node.folder / "system")

    @property
    def has_own_prefect(self) -> bool:
        """Whether the supervisor starts a Prefect server; not where the settings name another."""
        return self.settings.prefect.api_url is None

    @property
    def prefect_url(self) -> str:
        """The address of the Prefect server, its own or the one that the settings name."""
        return api_url(self.settings).removesuffix("/api")

    def environment(self) -> dict[str, str]:
        """Return the environment of every part; what is set already wins over the file of
        secrets.
        """
        return {
            **DEFAULTS,
            **caches(self.folder.path / "cache"),
            "PREFECT_LOGGING_LEVEL": "INFO",
            "PYTHONUNBUFFERED": "1",
            "ANNULUS_VALIDATION__REPORTS_URL": self.settings.reports_url(),
            **prefect_environment(self.settings, {**self.secrets, **os.environ}),
            **OFFLINE,
            SETTINGS_VARIABLE: str(self.settings_file),
            ENTERED_VARIABLE: str(self.settings_file),
            "PYTHONPATH": str(ROOT),
        }

    def running_environment(self) -> dict[str, str]:
        """Return the environment of parts that keep the settings with which they were started."""
        kept = str(self.folder.settings)
        return {**self.environment(), SETTINGS_VARIABLE: kept, ENTERED_VARIABLE: kept}

    def parts(self) -> list[Part]:
        """Return the processes of the system, in the order in which they start."""
        system = self.settings.system
        found = [NODE]
        if self.has_own_prefect:
            found.append(prefect_server(system.host, system.prefect_port, system.prefect_keep_days))
        found += [DISPATCHER, deployments(may_start=self.prefect_is_ready)]
        return [*found, portal(system.host, system.portal_port)]

    def prefect_is_ready(self) -> bool:
        """Say whether the Prefect server answers, and with a page where it has a UI to offer."""
        return answers(api_url(self.settings)) and (
            not self.has_own_prefect or self._asked("/", None) is not None
        )

    def has_deployments(self) -> bool:
        """Say whether the deployments are offered: whether the part that serves them has asked for
        runs since it was started; a database of before may know others.
        """
        since = next((one.since for one in self.folder.part_states() if one.name == SERVING), None)
        body = json.dumps({"sort": "UPDATED_DESC", "limit": 200}).encode()
        found = json.loads(self._asked("/api/deployments/filter", body) or b"[]")
        asked = [str(one["last_polled"]) for one in found if one.get("last_polled")]
        return since is not None and bool(asked) and since <= max(asked).replace("T", " ")

    def node_listens(self) -> bool:
        """Say whether the node takes associations."""
        return listens(self.settings.node.host, self.settings.node.port)

    def portal_answers(self) -> bool:
        """Say whether the portal takes requests."""
        return listens(self.settings.system.host, self.settings.system.portal_port)

    def check_listening(self) -> None:
        """Refuse addresses that are not this machine's, and ports that this user may not use.

        Raises
        ------
        SettingsError
            If there are such.
        """
        system = self.settings.system
        addresses = dict(node_ports(self.settings.node))
        if self.has_own_prefect:
            addresses["system", "prefect_port"] = (system.host, system.prefect_port)
        addresses["system", "portal_port"] = (system.host, system.portal_port)
        check_listening(addresses, self.settings_file)

    def ports(self) -> dict[str, tuple[str, int]]:
        """Return the addresses that the parts listen on, by the setting that changes them."""
        node, system = self.settings.node, self.settings.system
        found = {"node.port": (node.host, node.port)}
        if self.has_own_prefect:
            found["system.prefect_port"] = (system.host, system.prefect_port)
        found["system.portal_port"] = (system.host, system.portal_port)
        if node.operations_port is not None:
            found["node.operations_port"] = (node.operations_host, node.operations_port)
        return found

    def _asked(self, path: str, body: bytes | None) -> bytes | None:
        environment = self.environment()
        url = f"{self.prefect_url}{path}"
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


def open_installation(file: Path, settings: Path | None = None) -> LocalInstallation:
    """Read the settings and the secrets beside them.

    Parameters
    ----------
    file : Path
        The settings file, beside which the secrets lie.
    settings : Path, optional
        Another file to read the settings from: those that a running system was started with.

    Raises
    ------
    SettingsError
        If either cannot be used.
    """
    secrets = read_secrets(file.with_name(SECRETS_NAME))
    return LocalInstallation(file, Settings.load(settings or file), secrets)
