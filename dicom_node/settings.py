"""The settings file: its tables, and the two that the node reads.

One TOML file serves the whole system. Environment variables override it
(``ANNULUS_NODE__PORT=11113``), and a misspelt key or table is an error. Secrets come from the
environment only.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dicom_node.center import Center, Completeness, Correction, ObjectKind, ReturnDestination, Role
from dicom_node.log_format import LogFormat

TABLES = (
    "node",
    "center",
    "features",
    "augmentation",
    "model",
    "combat",
    "validation",
    "prefect",
    "expectations",
    "system",
    "clinical",
)
"""Every table that the settings file may hold; the node reads `node` and `center`."""

SETTINGS_VARIABLE = "ANNULUS_SETTINGS"
PSEUDONYM_KEY_VARIABLE = "ANNULUS_PSEUDONYM_KEY"
TOKEN_VARIABLE_PREFIX = "ANNULUS_STOW_TOKEN_"  # noqa: S105 - the name of a variable, not a token
_DEFAULT_FILE = Path("annulus.toml")
_MINIMUM_KEY_BYTES = 16
_MINIMUM_TOKEN_CHARACTERS = 24


class SettingsError(ValueError):
    """The settings cannot be used; the message says which key, what was found and what is
    expected.
    """


class ReturnTable(BaseModel):
    """``[center.NAME.return_to]``: the AE that receives this centre's structured reports."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ae_title: str
    host: str
    port: int = Field(gt=0, lt=65536)


class TlsTable(BaseModel):
    """``[node.tls]``: with it the node listens with TLS only (PS3.15 annex B), and so do our own
    calls.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: Path
    key: Path
    authorities: Path | None = None


class CenterTable(BaseModel):
    """``[center.NAME]``: one centre."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ae_titles: tuple[str, ...]
    gtv_pattern: str = Center.gtv_pattern
    completeness: Completeness = Completeness.LENIENT
    quiet_period_s: float | None = Field(default=None, gt=0)
    longest_wait_s: float | None = Field(default=None, gt=0)
    role: Role = Role.EXTERNAL
    return_to: ReturnTable | None = None
    addresses: tuple[str, ...] = ()
    report_commitment_to: tuple[ReturnTable, ...] = ()
    accepts: tuple[ObjectKind, ...] = tuple(ObjectKind)
    qa_patient_id: str | None = None
    certificates: tuple[str, ...] = ()
    corrections: Correction = Correction.KEEP_FIRST


class NodeTable(BaseModel):
    """``[node]``: the DICOM node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ae_title: str = "ANNULUS"
    host: str = "127.0.0.1"
    port: int = Field(default=11112, gt=0, lt=65536)
    folder: Path = Path("annulus-data")
    registry_url: str | None = None
    quiet_period_s: float = Field(default=60.0, gt=0)
    longest_wait_s: float = Field(default=1800.0, gt=0)
    beyond_gtv_mm: float = Field(default=9.0, ge=0)
    report_incomplete_after_s: float = Field(default=3600.0, gt=0)
    sweep_interval_s: float = Field(default=1.0, gt=0)
    maximum_associations: int = Field(default=20, gt=0)
    associations_of_a_center: int | None = Field(default=None, gt=0)
    minimum_bytes_per_s: float = Field(default=1000.0, ge=0)
    network_timeout_s: float = Field(default=60.0, gt=0)
    request_timeout_s: float = Field(default=10.0, gt=0)
    maximum_object_bytes: int = Field(default=2**31, gt=0)
    minimum_free_bytes: int = Field(default=2**30, ge=0)
    durable: bool = True
    operations_port: int | None = Field(default=None, gt=0, lt=65536)
    operations_host: str = "127.0.0.1"
    log_format: LogFormat = LogFormat.TEXT
    stow_port: int | None = Field(default=None, gt=0, lt=65536)
    stow_host: str = "127.0.0.1"
    tls: TlsTable | None = None
    delivery_first_retry_s: float = Field(default=5.0, gt=0)
    delivery_longest_retry_s: float = Field(default=900.0, gt=0)

    quarantine_days: float = Field(default=90.0, ge=0)
    incident_days: float = Field(default=365.0, ge=0)

    def share_of_a_center(self, centers: int) -> int:
        """Return how many of the associations one of so many centres may have: half of them unless
        said otherwise, all when it is the only one.
        """
        half = self.maximum_associations if centers < 2 else (self.maximum_associations + 1) // 2
        return self.associations_of_a_center or half

    def resolved_registry_url(self) -> str:
        """Return the SQLAlchemy URL of the registry: SQLite in the node's folder unless one is
        given.
        """
        return self.registry_url or f"sqlite:///{(self.folder / 'registry.sqlite').absolute()}"


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
        return env_settings, init_settings

    @model_validator(mode="after")
    def _centers_are_distinct(self) -> Self:
        owner: dict[str, str] = {}
        for center in self.centers():
            for title in center.ae_titles:
                if title in owner:
                    raise ValueError(
                        f"AE title {title} is given to both {owner[title]} and {center.name}: keep "
                        "one"
                    )
                owner[title] = center.name
            if center.certificates and (self.node.tls is None or self.node.tls.authorities is None):
                raise ValueError(
                    f"centre {center.name} lists certificates, but nobody is asked for one: give "
                    "authorities in [node.tls], or take certificates away"
                )
        return self

    def centers(self) -> tuple[Center, ...]:
        """Return the centres of the file, in its order."""
        return tuple(
            Center(
                name=name,
                ae_titles=table.ae_titles,
                gtv_pattern=table.gtv_pattern,
                completeness=table.completeness,
                quiet_period_s=quiet,
                longest_wait_s=table.longest_wait_s or max(self.node.longest_wait_s, quiet),
                beyond_gtv_mm=self.node.beyond_gtv_mm,
                role=table.role,
                return_to=ReturnDestination(**table.return_to.model_dump())
                if table.return_to
                else None,
                addresses=table.addresses,
                accepts=table.accepts,
                qa_patient_id=table.qa_patient_id,
                certificates=table.certificates,
                corrections=table.corrections,
                report_commitment_to=tuple(
                    ReturnDestination(**one.model_dump()) for one in table.report_commitment_to
                ),
            )
            for name, table in self.center.items()
            for quiet in (table.quiet_period_s or self.node.quiet_period_s,)
        )

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
        tables = _read_tables(file) if file else {}
        try:
            return cls(**tables)
        except ValidationError as error:
            raise SettingsError(_sentence(error, file)) from error


def settings_file(path: Path | None = None) -> Path | None:
    """Return the settings file to read: `path`, else ``ANNULUS_SETTINGS``, else ``annulus.toml`` if
    it exists.
    """
    if path is not None:
        return path
    if named := os.environ.get(SETTINGS_VARIABLE):
        return Path(named)
    return _DEFAULT_FILE if _DEFAULT_FILE.exists() else None


def pseudonym_key() -> bytes:
    """Return the key of the pseudonyms from ``ANNULUS_PSEUDONYM_KEY``.

    Raises
    ------
    SettingsError
        If the variable is missing or shorter than 16 bytes.
    """
    key = os.environ.get(PSEUDONYM_KEY_VARIABLE, "").encode()
    if len(key) < _MINIMUM_KEY_BYTES:
        raise SettingsError(
            f"{PSEUDONYM_KEY_VARIABLE} holds {len(key)} bytes, expected at least "
            f"{_MINIMUM_KEY_BYTES}: set it in the environment to a long random text that stays the "
            "same for the life of the archive (openssl rand -hex 32)"
        )
    return key


def token_variable(center: str) -> str:
    """Return the environment variable that holds a centre's bearer token: ``ANNULUS_STOW_TOKEN_``
    and its name.

    Parameters
    ----------
    center : str
        The centre's name; small letters become capitals, ``-`` becomes ``_``.
    """
    return TOKEN_VARIABLE_PREFIX + center.upper().replace("-", "_")


def stow_tokens(centers: Iterable[Center]) -> dict[str, str]:
    """Return the bearer tokens of the centres that have one, by the centre's name.

    Raises
    ------
    SettingsError
        If a token is short, or two centres would have the same one.
    """
    tokens: dict[str, str] = {}
    for center in centers:
        variable = token_variable(center.name)
        token = os.environ.get(variable)
        if token is None:
            continue
        if (
            len(token) < _MINIMUM_TOKEN_CHARACTERS
            or not token.isascii()
            or not token.isprintable()
            or " " in token
        ):
            raise SettingsError(
                f"{variable} holds {len(token)} characters, expected at least "
                f"{_MINIMUM_TOKEN_CHARACTERS} letters and digits: set it to a long random text "
                "(openssl rand -hex 32)"
            )
        if token in tokens.values():
            raise SettingsError(
                f"{variable} holds another centre's token: give each centre one of its own"
            )
        tokens[center.name] = token
    return tokens


def _read_tables(file: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the settings file {file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {file} is not TOML: {error}") from error
    unknown = sorted(set(tables) - set(TABLES))
    if unknown:
        raise SettingsError(
            f"the settings file {file} has the unknown table or key {', '.join(unknown)}: expected "
            f"{', '.join(TABLES)}"
        )
    return tables


def _sentence(error: ValidationError, file: Path | None) -> str:
    places = "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'file'}: "
        f"{item['msg'].removeprefix('Value error, ')}"
        for item in error.errors()
    )
    return (
        f"the settings {f'file {file}' if file else 'in the environment'} cannot be used: {places}"
    )
