"""The settings of an installation: one file, its secrets beside it, and a sentence for whatever in
them cannot be meant.
"""

from dicom_node.settings.node_settings import NodeSettings, overriding_variables
from dicom_node.settings.secrets import (
    PSEUDONYM_KEY_VARIABLE,
    SECRETS_NAME,
    TOKEN_VARIABLE_PREFIX,
    pseudonym_key,
    read_secrets,
    stow_tokens,
    token_variable,
)
from dicom_node.settings.settings_file import (
    SETTINGS_VARIABLE,
    TABLES,
    ContradictionError,
    Fault,
    SettingsError,
    settings_file,
)
from dicom_node.settings.tables import CenterTable, NodeTable, QueryTable, ReturnTable, TlsTable

__all__ = [
    "PSEUDONYM_KEY_VARIABLE",
    "SECRETS_NAME",
    "SETTINGS_VARIABLE",
    "TABLES",
    "TOKEN_VARIABLE_PREFIX",
    "CenterTable",
    "ContradictionError",
    "Fault",
    "NodeSettings",
    "NodeTable",
    "QueryTable",
    "ReturnTable",
    "SettingsError",
    "TlsTable",
    "overriding_variables",
    "pseudonym_key",
    "read_secrets",
    "settings_file",
    "stow_tokens",
    "token_variable",
]
