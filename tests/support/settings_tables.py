"""The settings of installations under test, as TOML."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from deploy.local.installation import LocalInstallation, open_installation
from deploy.local.processes import free_port
from dicom_node.settings import (
    PSEUDONYM_KEY_VARIABLE,
    SETTINGS_VARIABLE,
    NodeSettings,
)
from models.bundle.frozen_bundle import read_digest


def center_table(
    name: str,
    *,
    more_ae_titles: tuple[str, ...] = (),
    pacs: tuple[str, int] | None = None,
    **settings: str,
) -> str:
    """Return the table of a centre that calls as its name in capitals.

    Parameters
    ----------
    name : str
        Its name.
    more_ae_titles : tuple of str
        The other AE titles that it calls as.
    pacs : tuple of str and int, optional
        AE title and port on this machine of the PACS that its reports return to.
    **settings : str
        More of its settings.
    """
    lines = [f"[center.{name}]", f"ae_titles = {[name.upper(), *more_ae_titles]}"]
    lines += [f"{key} = '{value}'" for key, value in settings.items()]
    if pacs is not None:
        lines += [f"[center.{name}.return_to]", f"ae_title = '{pacs[0]}'"]
        lines += ["host = '127.0.0.1'", f"port = {pacs[1]}"]
    return "\n".join(lines) + "\n"


def node_settings(folder: Path, registry_url: str | None = None) -> NodeSettings:
    """Return the settings of a node in a folder that knows the centre alpha."""
    table = {"folder": folder, "minimum_free_bytes": 0, "registry_url": registry_url}
    # not as tables that were read: their defaults would count as what somebody wrote
    return NodeSettings.model_validate({"node": table, "center": {"alpha": {"ae_titles": ["A"]}}})


def write_settings(
    folder: Path, bundle: Path, centers: str, *, node: str = "", prefect: str = ""
) -> Path:
    """Write the settings of a whole installation on free ports in a folder, and return their file;
    `node` and `prefect` are more lines of their tables, `centers` may hold other tables as well.
    """
    settings = folder / "annulus.toml"
    settings.write_text(
        f"[node]\nport = {free_port()}\nfolder = '{folder / 'node'}'\n{node}\n"
        f"[prefect]\n{prefect}\n"
        f"[system]\nprefect_port = {free_port()}\nportal_port = {free_port()}\n"
        f"[model]\nbundle = '{bundle}'\ndigest = '{read_digest(bundle)}'\n{centers}"
    )
    return settings


def open_as_this_process(settings: Path) -> LocalInstallation:
    """Open an installation with a new key, as a program does whose environment is set for it."""
    os.environ.pop("PREFECT_API_URL", None)
    os.environ[SETTINGS_VARIABLE] = str(settings)
    os.environ[PSEUDONYM_KEY_VARIABLE] = secrets.token_hex(32)
    return open_installation(settings)
