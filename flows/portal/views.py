"""What each page shows: read, cut to what the user may see, and handed to its template."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urlencode

from starlette.datastructures import QueryParams
from starlette.responses import RedirectResponse, Response

from dicom_node.center import Center
from dicom_node.registry.registry import StudyState, Wanted
from feature_store.errors import FeatureStoreError
from feature_store.expectations.checks import Check
from feature_store.expectations.suites import SUITE_TITLES
from feature_store.tables.rows import check_of
from flows.data.check_expectations import FOLDER as EXPECTATIONS
from flows.notices.message import title
from flows.portal.files import file_response
from flows.portal.health import health
from flows.portal.look import Look, NotHereError, NothingYetError
from flows.portal.report_index import ReportEntry
from validation_reports.expectation_pages.pages import INDEX_NAME
from validation_reports.portal_pages.trend import Estimate, Trend, trend
from validation_reports.report.file_names import PAGE_NAME
from validation_reports.report.latest_performance import CenterPerformance
from validation_reports.statistics.discrimination import Concordance

A_PAGE = 50
_GROUPS = 12
_NEWEST = 10
_INCIDENTS = 20
_NOTICES = 20


def start(look: Look) -> Response:
    """Return the start page: centres and states, what waits and why, reports, health."""
    seen = None if look.sees_all else look.centers()
    reports = look.shared.reports.seen_by(look.user)
    try:
        registry = look.registry
    except NothingYetError:
        return look.page("nothing_yet", "Annulus")
    groups, n_groups = registry.worklist.waiting(seen, _GROUPS)
    counts = registry.worklist.counts(seen)
    latest = _latest_by_center(reports)
    notices, n_notices = registry.notices.open(seen, _NOTICES)
    names = look.centers()
    others = sorted({name for name, _ in counts} - set(names))
    roles = {center.name: str(center.role) for center in look.work.settings.centers()}
    return look.page(
        "start",
        "Annulus",
        states=list(StudyState),
        centers=[
            {
                "name": name,
                "role": roles.get(name, "not in the settings any more"),
                "counts": {state: counts.get((name, state), 0) for state in StudyState},
                "latest": latest.get(name),
            }
            for name in (*names, *others)
        ],
        notices=[(title(one.cause), one.cause) for one in notices],
        more_notices=n_notices - len(notices),
        groups=groups,
        more_groups=n_groups - len(groups),
        undelivered=registry.worklist.undelivered(seen),
        reports=reports[:_NEWEST],
        health=health(look.work.settings, registry, look.now, look.shared.server_answers)
        if look.sees_all
        else [],
        incidents=registry.incidents.latest(_INCIDENTS, seen),
    )


def worklist(look: Look) -> Response:
    """Return a page of the studies, as the filters ask for them."""
    asked = look.query
    mine = look.centers()
    known = mine if not look.sees_all else _all_centers(look)
    centers = [name for name in asked.getlist("center") if name in known]
    states = [StudyState(one) for one in asked.getlist("state") if one in set(StudyState)]
    wanted = Wanted(
        centers=tuple(centers) if centers else None if look.sees_all else tuple(mine),
        states=tuple(states),
        pseudonym=asked.get("pseudonym", "").strip().lower(),
        undelivered=asked.get("undelivered") == "1",
        waits_longest_first=asked.get("order") == "waiting",
    )
    number = _page_number(asked)
    studies, total = look.registry.worklist.page(wanted, (number - 1) * A_PAGE, A_PAGE)
    last = max(1, -(-total // A_PAGE))
    if number > last:
        return RedirectResponse(_at(asked, last), HTTPStatus.SEE_OTHER)
    if len(studies) == 1 == total and wanted.pseudonym == studies[0].study_key:
        return RedirectResponse(f"/studies/{studies[0].study_key}", HTTPStatus.SEE_OTHER)
    return look.page(
        "worklist",
        "Worklist",
        known=known,
        states=list(StudyState),
        wanted=wanted,
        chosen=centers,
        studies=studies,
        total=total,
        number=number,
        last=last,
        first_shown=(number - 1) * A_PAGE + 1,
        before=_at(asked, number - 1) if number > 1 else None,
        after=_at(asked, number + 1) if number < last else None,
    )


def center(look: Look) -> Response:
    """Return the page of one centre: its states, its validations over time, its expectations."""
    name = look.names["center"]
    if name not in (look.centers() if not look.sees_all else _all_centers(look)):
        raise NotHereError
    found = next((one for one in look.work.settings.centers() if one.name == name), None)
    registry = look.registry
    counts = registry.worklist.counts([name])
    groups, n_groups = registry.worklist.waiting([name], _GROUPS)
    rows = [
        (report, one)
        for report in look.shared.reports.seen_by(look.user)
        for one in report.performances
        if one.center == name
    ]
    pinned = look.work.settings.model.digest
    newest = next((report for report, one in rows if one.model_digest == pinned), None)
    try:
        checks, store_says = _checks_of_center(look, name), ""
    except FeatureStoreError as error:
        checks, store_says = [], str(error)
    return look.page(
        "center",
        f"Centre {name}",
        name=name,
        described=[] if found is None else _described(found),
        counts={state: counts.get((name, state), 0) for state in StudyState},
        groups=groups,
        more_groups=n_groups - len(groups),
        undelivered=registry.worklist.undelivered([name]),
        validations=rows,
        drawing=_drawing(rows, pinned),
        changed_by=None if newest is None else newest.report_id,
        change=None if newest is None else look.shared.reports.change(newest, name),
        pinned=pinned,
        checks=checks,
        titles=SUITE_TITLES,
        store_says=store_says,
        has_expectations=_expectation_page(look, name).is_file(),
        incidents=registry.incidents.latest(_INCIDENTS, [name]),
    )


def reports(look: Look) -> Response:
    """Return the list of reports."""
    found = look.shared.reports.seen_by(look.user)
    number = _page_number(look.query)
    return look.page(
        "reports",
        "Validation reports",
        reports=found[(number - 1) * A_PAGE : number * A_PAGE],
        total=len(found),
        number=number,
        last=max(1, -(-len(found) // A_PAGE)),
        before=_at(look.query, number - 1) if number > 1 else None,
        after=_at(look.query, number + 1) if number * A_PAGE < len(found) else None,
    )


def report(look: Look) -> Response:
    """Return the page of one report, with its files."""
    entry = _report(look)
    return look.page(
        "report", f"Report {entry.name}", report=entry, files=look.shared.reports.files(entry)
    )


def report_file(look: Look) -> Response:
    """Return a file of a report as it is."""
    found = look.shared.reports.file(_report(look), look.names["file"])
    if found is None:
        raise NotHereError
    return file_response(found)


def report_of_before(look: Look) -> Response:
    """Lead to a report from the address that it had while its folder was served by itself."""
    address = f"/reports/{quote(_report(look).report_id)}/{PAGE_NAME}"
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


def expectations(look: Look) -> Response:
    """Return the pages on the expectations that the user may see."""
    names = [name for name in look.centers() if _expectation_page(look, name).is_file()]
    has_index = (look.work.settings.node.folder / EXPECTATIONS / INDEX_NAME).is_file()
    return look.page("expectations", "Expectations", names=names, index=has_index and look.sees_all)


def expectation_page(look: Look) -> Response:
    """Return a page on the expectations as it is; the one on all centres leads who may not see them
    all to those of his own.
    """
    name = look.names["file"]
    if name == INDEX_NAME:
        if not look.sees_all:
            return RedirectResponse("/expectations/", HTTPStatus.SEE_OTHER)
        path = look.work.settings.node.folder / EXPECTATIONS / INDEX_NAME
    else:
        own = {_expectation_page(look, one).name: one for one in look.centers()}
        if name not in own:
            raise NotHereError
        path = _expectation_page(look, own[name])
    if not path.is_file():
        raise NotHereError
    return file_response(path)


def _expectation_page(look: Look, name: str) -> Path:
    return look.work.settings.node.folder / EXPECTATIONS / f"center-{name}.html"


def _report(look: Look) -> ReportEntry:
    entry = look.shared.reports.find(look.names["report"], look.user)
    if entry is None:
        raise NotHereError
    return entry


def _all_centers(look: Look) -> list[str]:
    """Return the centres of the settings, and those that only the registry still knows."""
    named = look.centers()
    return [*named, *sorted({name for name, _ in look.registry.worklist.counts()} - set(named))]


def _checks_of_center(look: Look, name: str) -> list[Check]:
    """Return what came of the suites on the centre's table and cohort."""
    rows = look.work.store.rows("checks", {"center": name, "study_key": ""}).to_pylist()
    return sorted(map(check_of, rows), key=lambda check: check.suite)


def _latest_by_center(reports: Sequence[ReportEntry]) -> dict[str, CenterPerformance]:
    found: dict[str, CenterPerformance] = {}
    for entry in reports:
        for one in entry.performances:
            found.setdefault(one.center, one)
    return found


def _drawing(
    rows: Sequence[tuple[ReportEntry, CenterPerformance]], pinned: str | None
) -> Trend | None:
    """Return Harrell's C over time, of the pinned model or else of the one validated last."""
    model = pinned or (rows[0][1].model_digest if rows else None)
    return trend(
        [
            Estimate(one.created_at, c.estimate, c.lower, c.upper)
            for _, one in rows
            if one.model_digest == model and isinstance(c := one.concordance, Concordance)
        ]
    )


def _described(found: Center) -> list[tuple[str, str]]:
    """Return what the settings say of a centre, as far as it is of use to who looks."""
    wants = "yes" if found.return_to is not None else "no: the settings name no return_to"
    return [
        ("role", str(found.role)),
        ("calls as", ", ".join(found.ae_titles)),
        ("structured reports return", wants),
        ("name of the GTV", found.gtv_pattern),
        ("completeness", str(found.completeness)),
    ]


def _page_number(asked: QueryParams) -> int:
    text = asked.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def _at(asked: QueryParams, number: int) -> str:
    """Return the query of another page of the same list."""
    kept = [(name, value) for name, value in asked.multi_items() if name != "page"]
    return f"?{urlencode([*kept, ('page', str(number))])}"
