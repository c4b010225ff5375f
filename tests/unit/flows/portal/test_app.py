"""The portal in whole: who is let in, what each user sees of an installation with real files, and
what is never shown.
"""

from __future__ import annotations

import logging
import re
from urllib.parse import urljoin

import pytest

from flows.installation import Installation
from flows.portal.app import COOKIE, PAGES, Portal
from flows.portal.sessions import WRONG_TRIES
from flows.portal.users import User, hashed, write_users
from flows.settings import Settings
from tests.support.asgi_browser import BASE, AsgiBrowser
from tests.support.portal_installations import NAME, NO_GTV, PASSWORD, PATIENT_ID, Shown

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning"),
]


def _browser(work: Installation, address: str = "192.0.2.7") -> AsgiBrowser:
    return AsgiBrowser(Portal(work).application(), address)


def _log_in(browser: AsgiBrowser, name: str, password: str = PASSWORD, after: str = "/") -> int:
    form = {"name": name, "password": password, "after": after}
    return browser.post("/login", data=form).status_code


@pytest.fixture
def anna(shown: Shown) -> AsgiBrowser:
    """A browser of who may see every centre."""
    browser = _browser(shown.work)
    assert _log_in(browser, "anna") == 303
    return browser


@pytest.fixture
def nora(shown: Shown) -> AsgiBrowser:
    """A browser of who may see the first centre."""
    browser = _browser(shown.work)
    assert _log_in(browser, "nora") == 303
    return browser


def _walk(browser: AsgiBrowser) -> dict[str, tuple[int, bytes]]:
    """Follow every link of every page from the start page on, pictures and style sheet too."""
    found: dict[str, tuple[int, bytes]] = {}
    to_do = ["/"]
    while to_do:
        path = to_do.pop()
        if path in found:
            continue
        answer = browser.get(path, follow_redirects=True)
        found[path] = (answer.status_code, answer.content)
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        for link in re.findall(r'(?:href|src)="([^"#]+)', answer.text):
            there = urljoin(f"{BASE}{path}", link.replace("&amp;", "&"))
            if there.startswith(BASE):
                to_do.append(there.removeprefix(BASE))
    return found


def test_without_a_user_nothing_is_shown(shown: Shown) -> None:
    browser = _browser(shown.work)
    for path in (*PAGES, "/no/such/page"):
        answer = browser.get(path.replace("{", "").replace("}", "").replace(":path", ""))
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/login?next=%2F"), path
    assert browser.get("/health").text == "the portal answers\n"
    form = browser.get("/login?next=/worklist")
    assert form.status_code == 200
    assert 'name="after" value="/worklist"' in form.text


def test_a_password_lets_in_to_where_one_was_going(shown: Shown) -> None:
    browser = _browser(shown.work)
    form = {"name": "anna", "password": PASSWORD, "after": "/worklist?state=held"}
    answer = browser.post("/login", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/worklist?state=held")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert browser.get("/").status_code == 200
    assert browser.post("/logout").headers["location"] == "/login"
    assert browser.get("/").status_code == 303


@pytest.mark.parametrize(
    "after", ["//evil.example/", "https://evil.example/", "/\\evil.example", "evil", "/a\nb"]
)
def test_a_log_in_never_leads_elsewhere(shown: Shown, after: str) -> None:
    form = {"name": "anna", "password": PASSWORD, "after": after}
    assert _browser(shown.work).post("/login", data=form).headers["location"] == "/"


def test_wrong_passwords_are_refused_alike_and_then_make_wait(shown: Shown) -> None:
    browser = _browser(shown.work)
    for name in ("nobody", "paul", "anna"):
        answer = browser.post("/login", data={"name": name, "password": "wrong", "after": "/"})
        assert answer.status_code == 401
        assert "Name or password is wrong." in answer.text
    for _ in range(WRONG_TRIES - 1):
        assert _log_in(browser, "anna", "wrong") == 401
    assert _log_in(browser, "anna") == 429
    assert _log_in(browser, "nora") == 303


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "http://["}],
)
def test_a_form_of_another_site_does_nothing(
    shown: Shown, anna: AsgiBrowser, headers: dict[str, str]
) -> None:
    form = {"name": "anna", "password": PASSWORD, "after": "/"}
    answer = _browser(shown.work).post("/login", data=form, headers=headers)
    assert answer.status_code == 403
    assert COOKIE not in answer.cookies
    anna.post("/logout", headers=headers)
    assert anna.get("/").status_code == 200


def test_a_body_that_is_no_form_is_refused(shown: Shown) -> None:
    browser = _browser(shown.work)
    assert browser.post("/login", json={"name": "anna"}).status_code == 403
    assert browser.post("/login", data={"name": "a" * 5000}).status_code == 403
    many = {f"field{number}": "x" for number in range(20)}
    assert browser.post("/login", data=many).status_code == 403


def test_every_page_shows_under_a_strict_policy_and_names_nobody(
    shown: Shown, anna: AsgiBrowser
) -> None:
    pages = _walk(anna)
    assert {page for page, (status, _) in pages.items() if status != 200} == set()
    linked = [path for path in PAGES if "file" not in path and path != "/{report}/report.html"]
    kinds = [re.sub(r"\{[^}]+\}", "[^/?]+", path) for path in linked]
    lacking = [one for one in kinds if not any(re.fullmatch(one, page) for page in pages)]
    assert lacking == []
    patient = [PATIENT_ID, *re.split(r"\W", NAME), *shown.uids]
    for path, (_, content) in pages.items():
        assert not [word for word in patient if word.encode() in content], path
        assert b"<script" not in content, path
    answer = anna.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_user_of_one_centre_sees_nothing_of_another(
    shown: Shown, nora: AsgiBrowser, anna: AsgiBrowser
) -> None:
    pages = _walk(nora)
    for path, (_, content) in pages.items():
        assert b"south" not in content, path
        assert shown.studies["other"].encode() not in content, path
    of_others = [path for path in _walk(anna) if path not in pages and "?" not in path]
    hidden = [path for path in of_others if "south" in path or shown.studies["other"] in path]
    assert len(hidden) > 10
    for path in hidden:
        answer = nora.get(path)
        assert answer.status_code == 404, path
        assert "There is nothing here that you may see." in answer.text
    assert "STRANGER" not in nora.get("/").text
    assert "Prefect server" not in nora.get("/").text
    assert shown.studies["other"] not in nora.get("/worklist?center=south").text
    assert nora.get("/expectations/index.html").headers["location"] == "/expectations/"


def test_the_start_page_tells_what_waits_and_why(anna: AsgiBrowser) -> None:
    page = anna.get("/").text
    assert "No frozen model is pinned" in page
    assert "24 CT slices have arrived but no RTSTRUCT" in page
    assert "The disk of south is full." in page
    assert page.count("/reports/2026") >= 3


def test_the_start_page_lists_the_notices_that_are_open(
    shown: Shown, anna: AsgiBrowser, nora: AsgiBrowser
) -> None:
    listed = anna.get("/").text.partition('id="notices"')[2].partition("</section>")[0]
    for words in (
        "north: a study is quarantined",
        f'href="/studies/{shown.studies["quarantined"]}"',
        "north: a study stays incomplete",
        "north: reports wait for their PACS",
        "south: studies are held",
        "1 study is held at centre south. No frozen model is pinned.",
    ):
        assert words in listed, words
    own = nora.get("/").text.partition('id="notices"')[2].partition("</section>")[0]
    assert "north: a study is quarantined" in own
    assert "south" not in own


def test_the_centre_page_tells_how_its_patients_differ_and_drift(
    anna: AsgiBrowser,
) -> None:
    shown = anna.get("/centers/north").text.partition('id="change"')[2].partition("</section>")[0]
    for words in (
        "They are <strong>very different from the training patients</strong> (80 patients at",
        "elsewhere); a model tells them apart with an AUC of",
        '<th scope="row">score</th>',
        "The score <strong>drifts</strong>: ",
        "standard deviations a year, p &lt; 0.001, in 80 patients.",
        "Mean linear predictor by period of the scan",
    ):
        assert words in shown, words


def test_a_study_is_shown_with_findings_score_choice_and_commands(
    shown: Shown, anna: AsgiBrowser
) -> None:
    scored = anna.get(f"/studies/{shown.studies['scored']}").text
    assert "Demonstration model, not for clinical use." in scored
    assert "0.432" in scored
    assert "71%" in scored
    assert "Over 19 contours such as other readers might have drawn" in scored
    assert "1 of them falls into the group of low risk. 1 more contour could not be" in scored
    assert "the CT series is chosen by the images that the GTV&#39;s contours name" in scored
    assert f"python -m flows redeliver {shown.studies['scored']}" in scored
    assert "/runs/flow-run/00000000-0000-0000-0000-" in scored
    quarantined = anna.get(f"/studies/{shown.studies['quarantined']}").text
    assert NO_GTV.sentence.replace("'", "&#39;") in quarantined
    assert "python -m flows release" not in quarantined
    assert "There is no picture" in quarantined
    assert "middle.png" not in quarantined
    assert "middle.png" in anna.get(f"/studies/{shown.studies['scored']}").text
    incomplete = anna.get(f"/studies/{shown.studies['incomplete']}").text
    assert "It was never complete, so nothing was worked on." in incomplete


def test_the_slices_through_the_tumour_are_pictures(shown: Shown, anna: AsgiBrowser) -> None:
    page = anna.get(f"/studies/{shown.studies['scored']}/slices").text
    numbers = re.findall(r'slices/(\d+)\.png" width="(\d+)" height="(\d+)"', page)
    assert len(numbers) > 20
    assert page.count("through gtv and ring 6mm") > 5
    assert page.count('id="middle"') == 1
    answer = anna.get(f"/studies/{shown.studies['scored']}/slices/{numbers[3][0]}.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    middle = re.findall(r'id="middle">\s*<img src="([^"]+)"', page)
    of_the_middle = anna.get(f"/studies/{shown.studies['scored']}/slices/middle.png").content
    assert [anna.get(path).content for path in middle] == [of_the_middle]
    for number in ("0", "999", "x"):
        path = f"/studies/{shown.studies['scored']}/slices/{number}.png"
        assert anna.get(path).status_code == 404
    quarantined = f"/studies/{shown.studies['quarantined']}/slices"
    assert anna.get(f"{quarantined}/middle.png").status_code == 404
    without = anna.get(f"/studies/{shown.studies['quarantined']}/slices").text
    assert "There is no picture: No ROI is the GTV" in without


def test_the_explanation_is_made_of_what_was_kept(shown: Shown, anna: AsgiBrowser) -> None:
    page = anna.get(f"/studies/{shown.studies['scored']}/explanation").text
    assert "Demonstration model, not for clinical use." in page
    assert "gtv:original_shape_" in page
    other = anna.get(f"/studies/{shown.studies['other']}/explanation").text
    assert "Nothing that the pinned model reads is kept" in other


def test_the_worklist_filters_pages_and_finds(shown: Shown, anna: AsgiBrowser) -> None:
    page = anna.get("/worklist?state=held&center=south&state=nonsense").text
    assert shown.studies["other"] in page
    assert shown.studies["scored"] not in page
    assert "1 study, shown 1 to 1." in page
    found = anna.get(f"/worklist?pseudonym={shown.studies['scored']}")
    assert found.headers["location"] == f"/studies/{shown.studies['scored']}"
    assert "0 studies." in anna.get("/worklist?pseudonym=%27%20OR%201%3D1").text
    beyond = anna.get("/worklist?page=99&state=held")
    assert beyond.headers["location"] == "?state=held&page=1"
    assert anna.get("/worklist?page=%C2%B2&undelivered=1").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/reports/20260304T050607000000Z-north/../../annulus.toml",
        "/reports/20260304T050607000000Z-north/%2e%2e/%2e%2e/registry.sqlite",
        "/reports/..%2F..%2Fannulus.toml/report.html",
        "/reports/20260304T050607000000Z-north/r-check/",
        "/reports/none/report.html",
        "/expectations/..%2Fregistry.sqlite",
        "/expectations/suites",
        "/studies/%27%20OR%201%3D1",
        "/centers/nowhere",
        "/static/portal.css",
        "/no/such/page",
    ],
)
def test_there_is_nothing_but_what_is_meant_to_be_shown(anna: AsgiBrowser, path: str) -> None:
    assert anna.get(path).status_code == 404


def test_a_link_of_before_leads_to_its_report(anna: AsgiBrowser, nora: AsgiBrowser) -> None:
    report = "20260304T050607000000Z-south/report.html"
    assert anna.get(f"/{report}").headers["location"] == f"/reports/{report}"
    assert nora.get(f"/{report}").status_code == 404


def test_a_proxy_names_users_and_nobody_else_does(shown: Shown) -> None:
    table = shown.work.settings.portal.model_copy(update={"user_header": "X-Remote-User"})
    work = Installation(shown.work.settings.model_copy(update={"portal": table}))
    named = {"X-Remote-User": "paul"}
    behind, beside = _browser(work, "127.0.0.1"), _browser(work)
    assert behind.get("/", headers=named).status_code == 200
    assert "paul, centre north" in behind.get("/", headers=named).text
    assert behind.get("/", headers={"X-Remote-User": "nobody"}).status_code == 303
    assert behind.get("/").status_code == 303
    assert beside.get("/", headers=named).status_code == 303
    work.registry.close()


def test_where_a_proxy_had_a_request_from_is_believed_of_a_proxy_alone(
    shown: Shown, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9, 198.51.100.4", "X-Forwarded-Proto": "https"}
    form = {"name": "anna", "password": PASSWORD, "after": "/"}
    with caplog.at_level(logging.INFO, "flows.portal.access"):
        behind = _browser(shown.work, "127.0.0.1").post("/login", data=form, headers=headers)
        beside = _browser(shown.work).post("/login", data=form, headers=headers)
        _browser(shown.work, "127.0.0.1").get("/", headers={"X-Forwarded-For": "nonsense"})
    assert "Secure" in behind.headers["set-cookie"]
    assert "Secure" not in beside.headers["set-cookie"]
    lines = [one.getMessage() for one in caplog.records if one.name == "flows.portal.access"]
    assert [line.split()[0] for line in lines] == ["198.51.100.4", "192.0.2.7", "127.0.0.1"]


def test_who_looked_at_what_is_written_down_and_nothing_that_was_typed(
    shown: Shown, nora: AsgiBrowser, caplog: pytest.LogCaptureFixture
) -> None:
    study = shown.studies["scored"]
    with caplog.at_level(logging.INFO, "flows.portal.access"):
        nora.get(f"/studies/{study}")
        nora.get("/studies/Xylophonius")
        nora.get("/worklist?pseudonym=Xylophonius")
        _browser(shown.work).get("/studies/Xylophonius")
    lines = [one.getMessage() for one in caplog.records if one.name == "flows.portal.access"]
    assert lines == [
        f"192.0.2.7 nora GET /studies/{study} 200",
        "192.0.2.7 nora GET ? 404",
        "192.0.2.7 nora GET /worklist 200",
        "192.0.2.7 - GET ? 303",
    ]


def test_a_user_who_is_removed_sees_nothing_from_then_on(shown: Shown) -> None:
    users = [User("once", None, hashed(PASSWORD))]
    folder = shown.folder / "other node"
    settings = shown.folder / "other.toml"
    settings.write_text(f"[node]\nfolder = '{folder}'\n")
    work = Installation(Settings.load(settings))
    write_users(work.settings.portal_folder(), users)
    browser = _browser(work)
    assert _log_in(browser, "once") == 303
    page = browser.get("/")
    assert page.status_code == 200
    assert "The DICOM node has not been started yet" in page.text
    assert not (folder / "registry.sqlite").exists()
    write_users(work.settings.portal_folder(), [])
    assert browser.get("/").status_code == 303
    assert "Nobody may look yet." in browser.get("/login").text
    (work.settings.portal_folder() / "users.json").write_text("{")
    assert browser.get("/").status_code == 503
    assert browser.post("/login", data={"name": "once", "password": "x"}).status_code == 503
