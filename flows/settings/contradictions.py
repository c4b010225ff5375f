"""Tables of the settings that cannot hold together: ports, folders, model and rings, schedules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dicom_node.center import Role
from dicom_node.settings import Fault
from dicom_node.settings.contradictions import (
    Keys,
    nested_folders,
    node_folders,
    node_ports,
    not_a_folder,
    same_ports,
)
from flows.settings.notify import notify_faults
from models.bundle.blocks_read import blocks_read

if TYPE_CHECKING:
    from flows.settings.settings import Settings
    from flows.settings.tables import ClinicalConventionsTable

_RING = "ring_"
_URL = "://"
_API = re.compile(r"/api(?:/.*[^/])?$")
_OF_BROWSERS = frozenset(
    {
        "accept", "accept-encoding", "accept-language", "authorization", "connection", "cookie",
        "content-length", "content-type", "host", "origin", "referer", "user-agent",
        "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
    }
)  # fmt: skip
"""Headers that say something else, in small letters, and mostly come from the browser."""


def table_faults(settings: Settings) -> Iterator[Fault]:
    """Yield what of all tables cannot hold together, beside what the node's two say."""
    yield from _model(settings)
    yield from _rings(settings)
    yield from _folders(settings)
    yield from _ports(settings)
    yield from _schedules(settings)
    yield from _clinical(settings)
    yield from _prefect(settings)
    yield from notify_faults(settings.notify)
    yield from _portal(settings)


def _model(settings: Settings) -> Iterator[Fault]:
    model = settings.model
    if model.digest is not None and model.bundle is None:
        yield Fault(
            ("model", "digest"),
            "A digest is pinned, but no bundle is named that should have it: give bundle too.",
        )
    if model.bundle is not None and model.digest is None:
        yield Fault(
            ("model", "bundle"),
            "A bundle is named, but not pinned, so that nothing would be scored: give the digest "
            "that `python -m models verify FOLDER` prints.",
        )
    if model.digest in model.earlier:
        yield Fault(
            ("model", "earlier", model.digest),
            "This digest is the pinned one: name only bundles from before it.",
        )
    if model.bundle is not None:
        yield from not_a_folder(("model", "bundle"), model.bundle)
    for digest, folder in model.earlier.items():
        yield from not_a_folder(("model", "earlier", digest), folder)


def _rings(settings: Settings) -> Iterator[Fault]:
    made = settings.features.ring_widths_mm
    if len(set(made)) < len(made):
        yield Fault(
            ("features", "ring_widths_mm"),
            f"A width is there twice: expected ring_widths_mm = {sorted(set(made))}.",
        )
    beyond = settings.node.beyond_gtv_mm
    if made and beyond < max(made):
        yield Fault(
            ("node", "beyond_gtv_mm"),
            f"A CT that goes on for {beyond:g} mm beyond the GTV would count as whole, and a ring "
            f"of {max(made)} mm is cut there: expected at least {max(made)}.",
        )
    if settings.model.bundle is None:
        return
    lacking = [
        block
        for block in blocks_read(settings.model.bundle)
        if block.startswith(_RING) and block not in {f"{_RING}{width}mm" for width in made}
    ]
    if lacking:
        widths = sorted({*made, *(int(block[len(_RING) : -len("mm")]) for block in lacking)})
        yield Fault(
            ("features", "ring_widths_mm"),
            f"The pinned model reads {' and '.join(lacking)}, which is not made: expected "
            f"ring_widths_mm = {widths}.",
        )


def _folders(settings: Settings) -> Iterator[Fault]:
    validation, node = settings.validation, settings.node
    own: dict[Keys, Path] = {}
    if settings.features.store is not None and _URL not in settings.features.store:
        own["features", "store"] = Path(settings.features.store)
    if validation.reports is not None:
        own["validation", "reports"] = validation.reports
    if validation.clinical_drop is not None:
        own["validation", "clinical_drop"] = validation.clinical_drop
    for keys, folder in own.items():
        yield from not_a_folder(keys, folder)
        if node.folder.is_relative_to(folder):
            yield Fault(
                keys,
                f"{folder} holds the node's folder {node.folder}, whose files name patients: give "
                "a folder beside or in it.",
            )
        else:
            yield from nested_folders({**node_folders(node), keys: folder})
    yield from nested_folders(own)


def _ports(settings: Settings) -> Iterator[Fault]:
    system = settings.system
    ports = node_ports(settings.node)
    if settings.prefect.api_url is None:
        ports["system", "prefect_port"] = (system.host, system.prefect_port)
    ports["system", "portal_port"] = (system.host, system.portal_port)
    node = set(node_ports(settings.node))
    yield from (fault for fault in same_ports(ports) if fault.keys not in node)


def _schedules(settings: Settings) -> Iterator[Fault]:
    for name in settings.validation.schedules:
        keys = ("validation", "schedules", name)
        if name not in settings.center:
            known = ", ".join(settings.center) or "none"
            yield Fault(
                keys,
                f"validation.schedules names {name}: expected centres of this file, which has "
                f"{known}.",
            )
        elif settings.center[name].role is Role.TRAINING:
            yield Fault(
                keys, f"Centre {name} trains, and is not validated: take its schedule away."
            )


def _clinical(settings: Settings) -> Iterator[Fault]:
    for name in settings.clinical:
        if name not in settings.center:
            known = ", ".join(settings.center) or "none"
            yield Fault(
                ("clinical", name),
                f"[clinical.{name}] names no centre of this file, which has {known}.",
            )

    for name, conventions in settings.clinical.items():
        yield from _conventions(("clinical", name), conventions)


def _conventions(keys: Keys, conventions: ClinicalConventionsTable) -> Iterator[Fault]:
    """Yield what cannot hold together of what a centre says of its tables."""
    ours: dict[str, str] = {}
    for name, column in conventions.columns.items():
        if column and ours.setdefault(" ".join(column.split()), name) != name:
            yield Fault(
                (*keys, "columns"),
                f"The column {column} is given to both {ours[' '.join(column.split())]} and "
                f"{name}: keep one.",
            )
    for field, meanings in conventions.codes.items():
        said: dict[str, str] = {}
        for code, word in meanings.items():
            if said.setdefault(code.strip().lower(), word) != word:
                yield Fault(
                    (*keys, "codes"),
                    f"The code {code} of {field} means both {said[code.strip().lower()]} and "
                    f"{word}, for capitals do not count: keep one.",
                )


def _portal(settings: Settings) -> Iterator[Fault]:
    portal = settings.portal
    if portal.url is not None and portal.url == portal.prefect_url:
        yield Fault(
            ("portal", "prefect_url"),
            "It is the portal's own address: give that of the Prefect UI.",
        )
    if portal.user_header is not None:
        if portal.user_header.lower() in _OF_BROWSERS:
            yield Fault(
                ("portal", "user_header"),
                f"A browser may send {portal.user_header} itself, and could name any user: "
                "expected a header that the proxy alone sets, such as X-Remote-User.",
            )
        if not portal.proxies:
            yield Fault(
                ("portal", "proxies"),
                "The list is empty, so that nobody is believed who sends user_header: give the "
                "proxy's address.",
            )
    for one in portal.proxies:
        if one.is_unspecified:
            yield Fault(
                ("portal", "proxies"),
                f"No request comes from {one}, which stands for every address: give the proxy's "
                "own.",
            )


def _prefect(settings: Settings) -> Iterator[Fault]:
    prefect = settings.prefect
    if prefect.api_url is not None and not _API.search(urlsplit(prefect.api_url).path):
        yield Fault(
            ("prefect", "api_url"),
            f"{prefect.api_url} is not where Prefect's API is: expected an address that ends with "
            "/api, like http://prefect:4200/api.",
        )
    if prefect.longest_retry_s < prefect.first_retry_s:
        yield Fault(
            ("prefect", "longest_retry_s"),
            f"The longest wait for another try is {prefect.longest_retry_s:g} s, but the first "
            f"{prefect.first_retry_s:g} s: expected at least that.",
        )
    if prefect.dask_scheduler is not None and prefect.cohort_runner != "dask":
        yield Fault(
            ("prefect", "dask_scheduler"),
            f"It is asked only with cohort_runner dask, and that is {prefect.cohort_runner}: set "
            'cohort_runner = "dask", or take the address away.',
        )
