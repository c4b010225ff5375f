"""What the node reads of the settings file.

One TOML file serves the whole system. Environment variables override it
(``ANNULUS_NODE__PORT=11113``), and a misspelt key or table is an error. Secrets come from the
environment, or from the file beside the settings.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from dicom_node.center import Center
from dicom_node.settings.contradictions import center_of, node_faults
from dicom_node.settings.secrets import TOKEN_VARIABLE_PREFIX
from dicom_node.settings.settings_file import (
    NESTED,
    TABLES,
    VARIABLE_PREFIX,
    ContradictionError,
    Fault,
    SettingsError,
    as_sentence,
    nearest,
    of_error,
    read_tables,
    settings_file,
)
from dicom_node.settings.tables import CenterTable, NodeTable


class NodeSettings(BaseSettings):
    """What the node reads of the settings file; other known tables are left to their owners."""

    model_config = SettingsConfigDict(
        env_prefix="ANNULUS_",
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    node: NodeTable = NodeTable()
    center: dict[str, CenterTable] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, whose tables arrive as arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return _named_as_in(init_settings, env_settings), init_settings

    @model_validator(mode="after")
    def _hold_together(self) -> Self:
        if faults := self.faults():
            raise ContradictionError(faults)
        return self

    def faults(self) -> list[Fault]:
        """Return what cannot hold together, though each value is sound by itself."""
        return node_faults(self.node, self.center)

    def centers(self) -> tuple[Center, ...]:
        """Return the centres of the file, in its order."""
        return tuple(center_of(name, table, self.node) for name, table in self.center.items())

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the settings.

        Parameters
        ----------
        path : Path, optional
            The TOML file; by default the one that ``ANNULUS_SETTINGS`` names, else ``annulus.toml``
            if it exists.

        Raises
        ------
        SettingsError
            If the file cannot be read, or a table, key or value is not what is expected.
        """
        file = settings_file(path)
        tables, text = read_tables(file, cls.model_fields) if file else ({}, "")
        if faults := _misspelt_variables():
            raise SettingsError(as_sentence(faults, None))
        try:
            return cls(**tables)
        except ValidationError as error:
            raise SettingsError(
                as_sentence(of_error(error, cls.model_fields), file, text)
            ) from error


def overriding_variables() -> tuple[str, ...]:
    """Return the variables of the environment that override a key of the settings file."""
    return tuple(
        sorted(
            name
            for name in os.environ
            if name.startswith(VARIABLE_PREFIX)
            and not name.startswith(TOKEN_VARIABLE_PREFIX)
            and NESTED in name
        )
    )


def _misspelt_variables() -> list[Fault]:
    found = []
    for variable in overriding_variables():
        table, *keys = variable.removeprefix(VARIABLE_PREFIX).lower().split(NESTED)
        if table not in TABLES:
            similar = nearest(table, TABLES)
            mend = f"did you mean {similar}?" if similar else f"expected {', '.join(TABLES)}"
            found.append(Fault((table, *keys), f"No table has the name {table}: {mend}"))
    return found


def _named_as_in(
    file: PydanticBaseSettingsSource, environment: PydanticBaseSettingsSource
) -> PydanticBaseSettingsSource:
    """Give the centres of the environment, whose variables are in capitals, their names as the
    file writes them.
    """
    if not isinstance(file, InitSettingsSource) or not isinstance(environment, EnvSettingsSource):
        return environment
    centers = file.init_kwargs.get("center")
    written = {str(name).lower(): str(name) for name in centers or {}}

    class Renamed(EnvSettingsSource):
        def __call__(self) -> dict[str, Any]:
            found = environment()
            if isinstance(found.get("center"), dict):
                found["center"] = {
                    written.get(name.lower(), name): table
                    for name, table in found["center"].items()
                }
            return found

    return Renamed(environment.settings_cls)
