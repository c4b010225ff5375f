"""Settings that are sound one by one and cannot hold together: found when they are read, not when
a study waits for them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from itertools import combinations
from pathlib import Path

from dicom_node.center import Center, ObjectKind, QuerySource, ReturnDestination, Role
from dicom_node.settings.secrets import token_variable
from dicom_node.settings.settings_file import Fault
from dicom_node.settings.tables import CenterTable, NodeTable, QueryTable, ReturnTable
from dicom_node.wording import counted

Keys = tuple[str | int, ...]
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
_OTHER_ROIS = ("Heart", "Lung_L", "SpinalCord", "BODY", "Couch 1")
"""Names of structures that are no GTV."""
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}
_NODE_FOLDERS = (
    "archive",
    "quarantine",
    "structured_reports",
    "report_records",
    "system",
    "portal",
)


def node_faults(node: NodeTable, centers: Mapping[str, CenterTable]) -> list[Fault]:
    """Return what of the node's two tables cannot hold together."""
    return [
        *_waits(node),
        *_places(node),
        *same_ports(node_ports(node)),
        *_centers(node, centers),
        *_names(centers),
        *_ae_titles(centers),
    ]


def center_of(name: str, table: CenterTable, node: NodeTable) -> Center:
    """Return a centre as its table and the node's describe it.

    Raises
    ------
    ValueError
        If it cannot be one.
    """
    quiet = table.quiet_period_s or node.quiet_period_s
    return Center(
        name=name,
        ae_titles=table.ae_titles,
        gtv_pattern=table.gtv_pattern,
        completeness=table.completeness,
        quiet_period_s=quiet,
        longest_wait_s=table.longest_wait_s or max(node.longest_wait_s, quiet),
        beyond_gtv_mm=node.beyond_gtv_mm,
        role=table.role,
        return_to=ReturnDestination(**table.return_to.model_dump()) if table.return_to else None,
        addresses=table.addresses,
        accepts=table.accepts,
        qa_patient_id=table.qa_patient_id,
        certificates=table.certificates,
        corrections=table.corrections,
        returns=table.returns,
        report_commitment_to=tuple(
            ReturnDestination(**one.model_dump()) for one in table.report_commitment_to
        ),
        query_from=_query_source(table.query_from) if table.query_from else None,
    )


def _query_source(table: QueryTable) -> QuerySource:
    values = table.model_dump()
    called = ReturnDestination(**{key: values.pop(key) for key in ("ae_title", "host", "port")})
    return QuerySource(called=called, **values)


def node_ports(node: NodeTable) -> dict[Keys, tuple[str, int]]:
    """Return the addresses that the node listens on, by the key of their port."""
    found: dict[Keys, tuple[str, int]] = {("node", "port"): (node.host, node.port)}
    if node.operations_port is not None:
        found["node", "operations_port"] = (node.operations_host, node.operations_port)
    if node.stow_port is not None:
        found["node", "stow_port"] = (node.stow_host, node.stow_port)
    return found


def same_ports(ports: Mapping[Keys, tuple[str, int]]) -> Iterator[Fault]:
    """Yield a fault for each two keys that would listen at one address."""
    for (first, (host, port)), (second, (other_host, other_port)) in combinations(ports.items(), 2):
        hosts = {host, other_host}
        meet = len(hosts) == 1 or bool(hosts & _EVERYWHERE) or hosts <= _THIS_MACHINE
        if port == other_port and meet:
            yield Fault(
                second,
                f"Port {port} is {_dotted(first)}'s already, and two cannot listen on one: give "
                "each a port of its own.",
            )


def not_a_folder(keys: Keys, path: Path) -> Iterator[Fault]:
    """Yield a fault if what is to be a folder is a file, or lies below one."""
    here = next(one for one in (path, *path.parents) if os.path.lexists(one))
    if not os.path.isdir(here):  # noqa: PTH112 - a folder that may not be searched is no error
        found = "a file" if os.path.exists(here) else "a link to nothing"  # noqa: PTH110
        yield Fault(keys, f"{here} is {found}, expected a folder, or nothing there yet.")


def not_a_file(keys: Keys, path: Path | None) -> Iterator[Fault]:
    """Yield a fault if what is to be a file is a folder."""
    if path is not None and os.path.isdir(path):  # noqa: PTH112
        yield Fault(keys, f"{path} is a folder, expected a file.")


def nested_folders(folders: Mapping[Keys, Path]) -> Iterator[Fault]:
    """Yield a fault for each two folders of which one is, or lies in, the other."""
    for (first, one), (second, other) in combinations(folders.items(), 2):
        if one == other:
            yield Fault(
                second, f"{other} is {_dotted(first)} already: give each a folder of its own."
            )
        elif one.is_relative_to(other) or other.is_relative_to(one):
            yield Fault(
                second,
                f"Of {other} and {one} ({_dotted(first)}) one lies in the other: give each a "
                "folder of its own, side by side.",
            )


def node_folders(node: NodeTable) -> dict[Keys, Path]:
    """Return the folders below ``node.folder`` that nobody but the system itself writes."""
    return {("node", "folder", name): node.folder / name for name in _NODE_FOLDERS}


def _dotted(keys: Keys) -> str:
    if keys[:2] == ("node", "folder"):
        return f"the folder {keys[2]} of node.folder"
    return ".".join(str(key) for key in keys)


def _waits(node: NodeTable) -> Iterator[Fault]:
    if node.delivery_longest_retry_s < node.delivery_first_retry_s:
        yield Fault(
            ("node", "delivery_longest_retry_s"),
            f"The longest wait for a delivery is {node.delivery_longest_retry_s:g} s, but the "
            f"first {node.delivery_first_retry_s:g} s: expected at least that.",
        )
    usual = NodeTable.model_fields["longest_wait_s"].default
    if node.longest_wait_s != usual and node.longest_wait_s < node.quiet_period_s:
        yield Fault(
            ("node", "longest_wait_s"),
            f"The longest wait is {node.longest_wait_s:g} s, but the quiet period "
            f"{node.quiet_period_s:g} s: expected at least that.",
        )
    share = node.associations_of_a_center
    if share is not None and share > node.maximum_associations:
        yield Fault(
            ("node", "associations_of_a_center"),
            f"A centre may have {counted(share, 'association')} of {node.maximum_associations} in "
            "all: expected no more than maximum_associations.",
        )


def _places(node: NodeTable) -> Iterator[Fault]:
    yield from not_a_folder(("node", "folder"), node.folder)
    if node.tls is not None:
        for key in ("certificate", "key", "authorities"):
            yield from not_a_file(("node", "tls", key), getattr(node.tls, key))


def _centers(node: NodeTable, centers: Mapping[str, CenterTable]) -> Iterator[Fault]:
    checks: tuple[Callable[[NodeTable, CenterTable], Iterator[tuple[str, str]]], ...] = (
        _what_is_accepted,
        _whom_an_empty_list_lets_in,
        _where_reports_go,
        _who_is_asked,
        _who_is_asked_for_a_certificate,
    )
    for name, table in centers.items():
        try:
            center_of(name, table, node)
        except ValueError as error:
            yield Fault(("center", name, *_key_of(str(error))), str(error))
            continue
        for check in checks:
            for key, sentence in check(node, table):
                yield Fault(("center", name, key), sentence)


def _key_of(sentence: str) -> tuple[str, ...]:
    """Return the key that a sentence of `Center` is about."""
    words = {
        "calling AE title": "ae_titles",
        "gtv_pattern": "gtv_pattern",
        "longest wait": "longest_wait_s",
        "qa_patient_id": "qa_patient_id",
        "An address": "addresses",
        "in certificates": "certificates",
        "ct_description": "query_from",
        "not part of a day": "query_from",
        "Timezone": "query_from",
    }
    return tuple(key for word, key in words.items() if word in sentence)[:1]


def _what_is_accepted(_node: NodeTable, table: CenterTable) -> Iterator[tuple[str, str]]:
    lacking = [kind.value for kind in ObjectKind if kind not in table.accepts]
    if lacking:
        yield (
            "accepts",
            (
                f"Without {' and '.join(lacking)} no study of this centre could ever be complete: "
                "expected both CT and RTSTRUCT."
            ),
        )
    if not table.gtv_pattern:
        yield "gtv_pattern", "The pattern is empty, so that it matches no ROI: give the GTV's name."
    elif all(re.fullmatch(table.gtv_pattern, name, re.IGNORECASE) for name in _OTHER_ROIS):
        yield (
            "gtv_pattern",
            (
                f"The pattern {table.gtv_pattern!r} matches every ROI, {_OTHER_ROIS[0]} too: "
                "expected one that matches the GTV alone."
            ),
        )


def _whom_an_empty_list_lets_in(_node: NodeTable, table: CenterTable) -> Iterator[tuple[str, str]]:
    for key in ("addresses", "certificates"):
        if key in table.model_fields_set and not getattr(table, key):
            yield (
                key,
                (
                    f"The list is empty, and lets in everybody, as if {key} were not there: name "
                    "who may call, or take the key away."
                ),
            )


def _where_reports_go(node: NodeTable, table: CenterTable) -> Iterator[tuple[str, str]]:
    if table.qa_patient_id is not None and table.return_to is None:
        yield (
            "qa_patient_id",
            (
                "There is no return_to, to which validation reports could go under this ID: give "
                "one, or take the ID away."
            ),
        )
    if table.qa_patient_id is not None and table.role is Role.TRAINING:
        yield (
            "qa_patient_id",
            (
                "A training centre is not validated, and no report could go under this ID: take it "
                "away."
            ),
        )
    if table.return_to is not None and not table.returns and table.qa_patient_id is None:
        yield (
            "returns",
            "The list is empty, so that nothing would go to return_to: take either away.",
        )
    known = [*table.report_commitment_to, *((table.return_to,) if table.return_to else ())]
    for one in known:
        if _is_the_node(node, one):
            key = "return_to" if one is table.return_to else "report_commitment_to"
            yield key, "This is the node itself: give the AE of the centre's PACS."
    for first, second in combinations(known, 2):
        if first.ae_title == second.ae_title and (first.host, first.port) != (
            second.host,
            second.port,
        ):
            yield (
                "report_commitment_to",
                (
                    f"AE title {first.ae_title} stands for two addresses, "
                    f"{first.host}:{first.port} and {second.host}:{second.port}: keep one."
                ),
            )


def _is_the_node(node: NodeTable, one: ReturnTable) -> bool:
    here = one.host in _THIS_MACHINE or one.host == node.host
    return here and one.port == node.port and one.ae_title == node.ae_title


def _who_is_asked(node: NodeTable, table: CenterTable) -> Iterator[tuple[str, str]]:
    asked = table.query_from
    if asked is None:
        return
    if _is_the_node(node, asked):
        yield "query_from", "This is the node itself: give the AE of the centre's PACS."
    if not table.addresses:
        return
    try:
        address = ip_address(asked.host)
        networks = [ip_network(one) for one in table.addresses]
    except ValueError:
        return
    if not any(address in one for one in networks):
        yield (
            "query_from",
            (
                f"What it sends would come from {asked.host}, which is none of the centre's "
                "addresses: add it there."
            ),
        )


def _who_is_asked_for_a_certificate(
    node: NodeTable, table: CenterTable
) -> Iterator[tuple[str, str]]:
    if table.certificates and (node.tls is None or node.tls.authorities is None):
        yield (
            "certificates",
            (
                "Nobody is asked for a certificate: give authorities in [node.tls], or take "
                "certificates away."
            ),
        )


def _names(centers: Mapping[str, CenterTable]) -> Iterator[Fault]:
    for first, second in combinations(centers, 2):
        if first.casefold() == second.casefold():
            yield Fault(
                ("center", second),
                f"Centres {first} and {second} differ in capitals only, and would be confused in "
                "folders, forms and reports: give one another name.",
            )
        elif token_variable(first) == token_variable(second):
            yield Fault(
                ("center", second),
                f"Centres {first} and {second} differ in - and _ only, and would share the token "
                f"{token_variable(first)}: give one another name.",
            )


def _ae_titles(centers: Mapping[str, CenterTable]) -> Iterator[Fault]:
    owner: dict[str, str] = {}
    for name, table in centers.items():
        for number, title in enumerate(table.ae_titles):
            if title in owner:
                both = "twice" if owner[title] == name else f"to both {owner[title]} and {name}"
                yield Fault(
                    ("center", name, "ae_titles", number),
                    f"AE title {title} is given {both}: keep one.",
                )
            owner[title] = name
    for name, table in centers.items():
        if table.query_from is None:
            continue
        title = table.query_from.ae_title
        if owner.setdefault(title, name) != name:
            yield Fault(
                ("center", name, "query_from"),
                f"AE title {title} belongs to {owner[title]} too, so that nobody could tell whose "
                "patients it sends: let the PACS use another AE title for each centre.",
            )
