"""Who sends to us: the centres and where their results go back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dicom_node.certificate import is_certificate_entry
from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE, RT_STRUCTURE_SET_STORAGE

_AE_TITLE = re.compile(r"[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?")
_PATIENT_ID = re.compile(r"[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,62}[\x21-\x5b\x5d-\x7e])?")
_CENTER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


class Completeness(StrEnum):
    """What happens when the instances that an RTSTRUCT lists cannot all be had."""

    LENIENT = "lenient"
    """After the quiet period the CT is matched by what the RTSTRUCT says of it, and scored with a
    warning, also where its slices end within a ring.
    """
    STRICT = "strict"
    """After the quiet period the study is reported as incomplete, with what is missing: listed
    instances, or slices as far as the widest ring.
    """


class Correction(StrEnum):
    """What happens when a known SOP Instance UID comes with other content."""

    KEEP_FIRST = "keep first"
    """The first stays; the other is refused and quarantined until an operator accepts it."""
    REPLACE = "replace"
    """The newer one is used, after the quiet period of its study; the older bytes stay kept."""


class ReturnedObject(StrEnum):
    """What goes back to a centre's PACS of a score, in the order in which it is sent; each has its
    own place in the deliveries.
    """

    SEG = "seg"
    """The regions that were measured, as a Segmentation."""
    PDF = "pdf"
    """The patient's page, as an Encapsulated PDF."""
    SC = "sc"
    """The patient's page as a picture, a Secondary Capture; where a centre takes it as PDF too, it
    goes only to a PACS that takes no PDF.
    """
    SR = "sr"
    """The structured report; what a centre's validation sends is kept under this name too."""
    MAP = "map"
    """Where the network looked, as a Parametric Map."""
    NOTE = "note"
    """The rejection note that retires what a newer result replaces."""


USUALLY_RETURNED: Final = (ReturnedObject.SEG, ReturnedObject.PDF, ReturnedObject.SR)
"""What a centre takes whose settings do not say."""


class Role(StrEnum):
    """What a centre's patients are used for."""

    TRAINING = "training"
    EXTERNAL = "external"


class ObjectKind(StrEnum):
    """What a centre may store."""

    CT = "CT"
    RTSTRUCT = "RTSTRUCT"


STORAGE_CLASS_OF: Final = {
    ObjectKind.CT: CT_IMAGE_STORAGE,
    ObjectKind.RTSTRUCT: RT_STRUCTURE_SET_STORAGE,
}
"""The SOP Class of each kind (PS3.4 table B.5-1)."""


def is_ae_title(value: str) -> bool:
    """Say whether `value` is an AE title (PS3.5 section 6.2, VR AE: 1-16 characters, no backslash,
    not blank).
    """
    return _AE_TITLE.fullmatch(value) is not None


@dataclass(frozen=True)
class ReturnDestination:
    """The centre's own AE, to which structured reports are sent.

    Parameters
    ----------
    ae_title : str
        AE title of the receiving system (PS3.5 section 6.2).
    host : str
        Host name or address.
    port : int
        TCP port, 1-65535.

    Raises
    ------
    ValueError
        If the AE title or the port is outside its range, or the host is none.
    """

    ae_title: str
    host: str
    port: int

    def __post_init__(self) -> None:
        if not is_ae_title(self.ae_title):
            raise ValueError(
                f"The return AE title {self.ae_title!r} is not an AE title: use 1-16 printable "
                "characters."
            )
        if not (0 < len(self.host) < 254 and self.host.isprintable() and " " not in self.host):
            raise ValueError(
                f"The return host {self.host!r} is not the name or address of a machine: use 1-253 "
                "printable characters without blanks."
            )
        if not 0 < self.port < 65536:
            raise ValueError(f"The return port {self.port} is not a TCP port: use 1-65535.")


class Approval(StrEnum):
    """Which RTSTRUCTs are fetched (Approval Status, PS3.3 section C.8.8.16)."""

    APPROVED = "approved"
    """The newest that is approved; where the PACS tells of none whether it is, the newest."""
    ANY = "any"
    """The newest."""


@dataclass(frozen=True)
class QuerySource:
    """The centre's PACS as it is asked for what is missing (C-FIND and C-MOVE, PS3.4 annex C).

    Parameters
    ----------
    called : ReturnDestination
        The AE that is asked, and that the answers come from.
    ct_description : str
        Regular expression for the whole Series Description (0008,103E) of a planning CT, without
        regard to case; of a list, other series are left where they are.
    rtstruct : Approval
        Which RTSTRUCT of a study is fetched.
    hours : tuple of int
        First and last hour of the day between which lists are fetched, 0-24; the first may be the
        larger, for a night.
    timezone : str
        Of `hours`.
    studies_per_hour : int
        How many studies of lists are fetched in an hour at most.

    Raises
    ------
    ValueError
        If a value is outside its range.
    """

    called: ReturnDestination
    ct_description: str = ".*"
    rtstruct: Approval = Approval.APPROVED
    hours: tuple[int, int] = (0, 24)
    timezone: str = "UTC"
    studies_per_hour: int = 60

    def __post_init__(self) -> None:
        try:
            re.compile(self.ct_description)
        except re.error as error:
            raise ValueError(
                f"ct_description {self.ct_description!r} is not a regular expression: {error}."
            ) from error
        first, last = self.hours
        if not (0 <= first <= 24 and 0 <= last <= 24 and first != last):
            raise ValueError(
                f"Hours {first} to {last} are not part of a day: use two different hours from 0 to "
                "24."
            )
        if self.studies_per_hour < 1:
            raise ValueError(
                f"studies_per_hour is {self.studies_per_hour}: use at least 1, or leave query_from "
                "away."
            )
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"Timezone {self.timezone!r} is not known here: use one like Europe/Amsterdam."
            ) from error

    def wait_s(self, now: datetime) -> float:
        """Return how long it is until lists may be fetched, in seconds; 0 if they may now.

        Parameters
        ----------
        now : datetime
            The time, aware.
        """
        local = now.astimezone(ZoneInfo(self.timezone))
        first, last = self.hours
        hour = local.hour + local.minute / 60 + local.second / 3600
        is_open = first <= hour < last if first < last else hour >= first or hour < last
        return 0.0 if is_open else ((first - hour) % 24) * 3600.0


@dataclass(frozen=True)
class Center:
    """One centre: how its systems call us, how its contours are named, where its results go.

    Parameters
    ----------
    name : str
        Short name, used in paths, run names and reports: letters, digits, ``-`` and ``_``.
    ae_titles : tuple of str
        Calling AE titles that belong to this centre.
    gtv_pattern : str
        Regular expression, matched against the whole ROI name without regard to case; it must match
        exactly one ROI.
    completeness : Completeness
        What happens when the instances that an RTSTRUCT lists cannot all be had.
    quiet_period_s : float
        Seconds without a new instance after which a study is no longer waited for.
    longest_wait_s : float
        Seconds after which it is decided even if instances still come.
    beyond_gtv_mm : float
        How far a CT without a usable list must go on beyond the GTV to be taken as whole, in mm: as
        far as the widest ring.
    role : Role
        Training centres' features are extracted but not scored.
    return_to : ReturnDestination or None
        Where structured reports are sent; `None` keeps them in the archive only.
    addresses : tuple of str
        Addresses and networks (``192.0.2.0/24``) that its systems call from; empty is any.
    report_commitment_to : tuple of ReturnDestination
        Where its systems take the result of a storage commitment that they asked for, each by its
        AE title.
    accepts : tuple of ObjectKind
        What it may store.
    qa_patient_id : str or None
        Patient ID, of no patient, under which the centre's PACS keeps its validation reports;
        `None` sends it none.
    returns : tuple of ReturnedObject
        What of a score its PACS takes.
    corrections : Correction
        What happens when a known SOP Instance UID comes with other content.
    certificates : tuple of str
        Its systems' TLS certificates, each by SHA-256 fingerprint or by a DNS or common name; empty
        is any.
    query_from : QuerySource or None
        The PACS that is asked for what is missing; `None` asks nobody.

    Raises
    ------
    ValueError
        If the name, an AE title, the pattern or the QA patient ID is not usable.
    """

    name: str
    ae_titles: tuple[str, ...]
    gtv_pattern: str = r"gtv[-_ ]?(p|1|primary)?"
    completeness: Completeness = Completeness.LENIENT
    quiet_period_s: float = 60.0
    longest_wait_s: float = 1800.0
    beyond_gtv_mm: float = 9.0
    role: Role = Role.EXTERNAL
    return_to: ReturnDestination | None = None
    addresses: tuple[str, ...] = ()
    report_commitment_to: tuple[ReturnDestination, ...] = ()
    accepts: tuple[ObjectKind, ...] = tuple(ObjectKind)
    qa_patient_id: str | None = None
    certificates: tuple[str, ...] = ()
    corrections: Correction = Correction.KEEP_FIRST
    returns: tuple[ReturnedObject, ...] = USUALLY_RETURNED
    query_from: QuerySource | None = None

    @property
    def callers(self) -> frozenset[str]:
        """Every AE title that it may call as: also that of the PACS that is asked, whose answers
        come as calls of its own.
        """
        asked = {self.query_from.called.ae_title} if self.query_from else set()
        return frozenset(self.ae_titles) | asked

    @cached_property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`addresses` as networks."""
        return tuple(ip_network(address) for address in self.addresses)

    def has_address(self, address: str) -> bool:
        """Say whether its systems may call from an address; an IPv4 peer of an IPv6 socket has its
        IPv4 address.
        """
        if not self.addresses:
            return True
        found = ip_address(address)
        known = found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
        return any(known in network for network in self.networks)

    def commitment_destination(self, ae_title: str) -> ReturnDestination | None:
        """Return where the system that calls itself `ae_title` takes commitment results, if that is
        known.
        """
        known = (*self.report_commitment_to, *((self.return_to,) if self.return_to else ()))
        return next((one for one in known if one.ae_title == ae_title), None)

    def __post_init__(self) -> None:
        if not _CENTER_NAME.fullmatch(self.name):
            raise ValueError(
                f"The centre name {self.name!r} is not usable: use 1-32 letters, digits, '-' and "
                "'_'."
            )
        if not self.ae_titles:
            raise ValueError(
                f"Centre {self.name} has no calling AE title: give at least one in ae_titles."
            )
        for title in self.ae_titles:
            if not is_ae_title(title):
                raise ValueError(
                    f"{title!r} of centre {self.name} is not an AE title: use 1-16 printable "
                    "characters."
                )
        if self.quiet_period_s <= 0:
            raise ValueError(
                f"The quiet period of centre {self.name} is {self.quiet_period_s} s: use more than "
                "0."
            )
        if self.longest_wait_s < self.quiet_period_s:
            raise ValueError(
                f"The longest wait of centre {self.name} is {self.longest_wait_s} s: use at least "
                f"its quiet period, {self.quiet_period_s} s."
            )
        if self.qa_patient_id is not None and not _PATIENT_ID.fullmatch(self.qa_patient_id):
            raise ValueError(
                f"qa_patient_id of centre {self.name} is not usable: use 1-64 printable ASCII "
                "characters without a backslash, with no blank at either end (PS3.5 section 6.2, "
                "LO)."
            )
        try:
            _ = self.networks
        except ValueError as error:
            raise ValueError(
                f"An address of centre {self.name} is not an address or network: {error}; use "
                "192.0.2.7 or 192.0.2.0/24."
            ) from error
        for entry in self.certificates:
            if not is_certificate_entry(entry):
                raise ValueError(
                    f"{entry!r} in certificates of centre {self.name} is neither a SHA-256 "
                    "fingerprint nor a name: use what `openssl x509 -noout -fingerprint -sha256` "
                    "prints after the equals sign, or the DNS name."
                )
        try:
            re.compile(self.gtv_pattern)
        except re.error as error:
            raise ValueError(
                f"gtv_pattern {self.gtv_pattern!r} of centre {self.name} is not a regular "
                f"expression: {error}."
            ) from error


def center_by_ae_title(centers: tuple[Center, ...], ae_title: str) -> Center | None:
    """Return the centre that calls itself `ae_title`, or `None` when no centre does."""
    wanted = ae_title.strip()
    return next((center for center in centers if wanted in center.callers), None)
