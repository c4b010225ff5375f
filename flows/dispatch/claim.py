"""Whose Prefect server it is: two installations never register deployments over each other.

A server is known by the fingerprint of the pseudonym key of the installation that registered on it
first; the key cannot be had from it.
"""

from __future__ import annotations

from prefect.settings import get_current_settings
from prefect.variables import Variable

from dicom_node.pseudonym import key_fingerprint
from dicom_node.settings import SettingsError, pseudonym_key

VARIABLE = "annulus_installation"
"""The Prefect variable that holds the fingerprint."""


def claim_server(*, take_over: bool = False) -> None:
    """Make the Prefect server this installation's, if it is nobody's yet.

    Parameters
    ----------
    take_over : bool
        Also if it is another one's.

    Raises
    ------
    SettingsError
        If it is another installation's.
    """
    mine, owner = key_fingerprint(pseudonym_key()), Variable.get(VARIABLE)
    if owner == mine:
        return
    if owner is not None and not take_over:
        raise SettingsError(
            f"The Prefect server at {get_current_settings().api.url} is another installation's, "
            "whose deployments would be overwritten: give each installation a prefect_port in "
            "[system], or an api_url in [prefect], of its own (or, if that installation is gone, "
            "--take-over)."
        )
    Variable.set(VARIABLE, mine, overwrite=True)
