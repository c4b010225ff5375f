"""The two tables that the node reads: ``[node]`` and ``[center.NAME]``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from dicom_node.center import (
    USUALLY_RETURNED,
    Approval,
    Center,
    Completeness,
    Correction,
    ObjectKind,
    QuerySource,
    ReturnedObject,
    Role,
)
from dicom_node.log_format import LogFormat
from dicom_node.settings.values import (
    ROOT,
    TABLE,
    AeTitle,
    Days,
    Host,
    Peer,
    Place,
    Port,
    RegistryUrl,
    Seconds,
)


class ReturnTable(BaseModel):
    """``[center.NAME.return_to]``: the AE that receives this centre's structured reports."""

    model_config = TABLE

    ae_title: AeTitle
    host: Peer
    port: Port


class QueryTable(ReturnTable):
    """``[center.NAME.query_from]``: the centre's PACS that is asked for what is missing."""

    ct_description: str = QuerySource.ct_description
    rtstruct: Approval = QuerySource.rtstruct
    hours: tuple[int, int] = QuerySource.hours
    timezone: str = QuerySource.timezone
    studies_per_hour: int = Field(default=QuerySource.studies_per_hour, gt=0, le=100_000)


class TlsTable(BaseModel):
    """``[node.tls]``: with it the node listens with TLS only (PS3.15 annex B), and so do our own
    calls.
    """

    model_config = TABLE

    certificate: Place
    key: Place
    authorities: Place | None = None


class CenterTable(BaseModel):
    """``[center.NAME]``: one centre."""

    model_config = TABLE

    ae_titles: tuple[AeTitle, ...]
    gtv_pattern: str = Center.gtv_pattern
    completeness: Completeness = Completeness.LENIENT
    quiet_period_s: Seconds | None = None
    longest_wait_s: Seconds | None = None
    role: Role = Role.EXTERNAL
    return_to: ReturnTable | None = None
    addresses: tuple[str, ...] = ()
    report_commitment_to: tuple[ReturnTable, ...] = ()
    accepts: tuple[ObjectKind, ...] = tuple(ObjectKind)
    qa_patient_id: str | None = None
    certificates: tuple[str, ...] = ()
    corrections: Correction = Correction.KEEP_FIRST
    returns: tuple[ReturnedObject, ...] = USUALLY_RETURNED
    query_from: QueryTable | None = None


class NodeTable(BaseModel):
    """``[node]``: the DICOM node."""

    model_config = TABLE

    ae_title: AeTitle = "ANNULUS"
    host: Host = "127.0.0.1"
    port: Port = 11112
    folder: Place = ROOT / "annulus-data"
    registry_url: RegistryUrl | None = None
    quiet_period_s: Seconds = 60.0
    longest_wait_s: Seconds = 1800.0
    beyond_gtv_mm: float = Field(default=9.0, ge=0, le=1000)
    report_incomplete_after_s: Seconds = 3600.0
    sweep_interval_s: Seconds = 1.0
    maximum_associations: int = Field(default=20, gt=0, le=10_000)
    associations_of_a_center: int | None = Field(default=None, gt=0, le=10_000)
    minimum_bytes_per_s: float = Field(default=1000.0, ge=0, le=1e9)
    network_timeout_s: Seconds = 60.0
    request_timeout_s: Seconds = 10.0
    maximum_object_bytes: int = Field(default=2**31, gt=0, le=2**40)
    minimum_free_bytes: int = Field(default=2**30, ge=0, le=2**50)
    durable: bool = True
    operations_port: Port | None = None
    operations_host: Host = "127.0.0.1"
    log_format: LogFormat = LogFormat.TEXT
    stow_port: Port | None = None
    stow_host: Host = "127.0.0.1"
    tls: TlsTable | None = None
    delivery_first_retry_s: Seconds = 5.0
    delivery_longest_retry_s: Seconds = 900.0
    quarantine_days: Days = 90.0
    incident_days: Days = 365.0

    def share_of_a_center(self, centers: int) -> int:
        """Return how many of the associations one of so many centres may have: half of them unless
        said otherwise, all when it is the only one.
        """
        half = self.maximum_associations if centers < 2 else (self.maximum_associations + 1) // 2
        return self.associations_of_a_center or half

    @property
    def registry_file(self) -> Path:
        """Where SQLite keeps the registry, unless a URL is given."""
        return self.folder / "registry.sqlite"

    def resolved_registry_url(self) -> str:
        """Return the SQLAlchemy URL of the registry: SQLite in the node's folder unless one is
        given.
        """
        return self.registry_url or f"sqlite:///{self.registry_file.absolute()}"
