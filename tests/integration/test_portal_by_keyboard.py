"""The portal in a browser, by keyboard alone: from the log-in over the worklist to the slices and a
report; no other host is asked, every page fits a phone and a sheet of paper, and axe-core finds
nothing grave.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from sqlalchemy import select, update

from deploy.local.processes import free_port
from dicom_node.registry.schema import studies
from flows.portal.app import Portal
from flows.portal.users import User, hashed, write_users
from tests.support.axe import GRAVE, axe_source, findings
from tests.support.browser import Page, chromium
from tests.support.portal_installations import PASSWORD, Shown, build
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.peers,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning"),
]
SCREENSHOTS = os.environ.get("ANNULUS_SCREENSHOTS")


@contextmanager
def _served(shown: Shown) -> Iterator[str]:
    port = free_port()
    application = Portal(shown.work).application()
    config = uvicorn.Config(application, port=port, lifespan="off", ws="none", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 30, "the portal answers")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


def _keep(page: Page, folder: Path, name: str) -> None:
    found = Path(SCREENSHOTS) if SCREENSHOTS else folder / "pictures"
    found.mkdir(exist_ok=True)
    page.picture(found / f"portal-{name}.png")


def _until(page: Page, words: str) -> None:
    wait_until(lambda: words in page.text(), 30, words, evidence=page.text)


def _log_in(page: Page, url: str) -> None:
    page.open(f"{url}/", "document.activeElement.id == 'name'")
    page.type("anna")
    page.press("Tab")
    page.type(PASSWORD)
    page.press("Enter")
    _until(page, "Where everything is")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    shown = build(tmp_path_factory.mktemp("portal") / "here")
    write_users(shown.work.settings.portal_folder(), [User("anna", None, hashed(PASSWORD))])
    yield shown
    shown.work.registry.close()


def test_axe_core_finds_nothing_grave_in_light_and_in_dark(
    shown: Shown, peer: Callable[[str], str], tmp_path: Path
) -> None:
    source = axe_source(tmp_path)
    study = shown.studies["scored"]
    report = next(shown.work.settings.reports_folder().glob("*-north-south")).name
    pages = (
        "/",
        "/worklist",
        f"/studies/{study}",
        f"/studies/{shown.studies['quarantined']}",
        f"/studies/{study}/slices",
        f"/studies/{study}/explanation",
        "/centers/north",
        "/reports/",
        f"/reports/{report}/",
        "/expectations/",
    )
    grave = {}
    with (
        _served(shown) as url,
        chromium(peer("chromium"), tmp_path / "profile", free_port()) as page,
    ):
        page.open("data:text/html,<button></button>", "document.querySelector('button')")
        assert "button-name" in {one["rule"] for one in findings(page, source)}
        page.open(f"{url}/login", "document.readyState == 'complete'")
        grave["/login"] = [one for one in findings(page, source) if one["impact"] in GRAVE]
        _log_in(page, url)
        for dark in (False, True):
            page.as_device(1280, 1600, dark=dark)
            for path in pages:
                page.open(f"{url}{path}", "document.readyState == 'complete'")
                found = [one for one in findings(page, source) if one["impact"] in GRAVE]
                grave[f"{path} {'dark' * dark}"] = found
                if SCREENSHOTS:
                    _keep(page, tmp_path, f"{path.strip('/').replace('/', '-')}{'-dark' * dark}")
    assert {path: found for path, found in grave.items() if found} == {}


def test_a_session_by_keyboard_alone(
    shown: Shown, peer: Callable[[str], str], tmp_path: Path
) -> None:
    study = shown.studies["scored"]
    with (
        _served(shown) as url,
        chromium(peer("chromium"), tmp_path / "profile", free_port()) as page,
    ):
        _log_in(page, url)
        _keep(page, tmp_path, "start")

        page.press("Tab")
        assert page.value("document.activeElement.className") == "skip"
        page.tab_to("at.id == 'find'")
        page.type(study)
        page.press("Enter")
        _until(page, "Demonstration model, not for clinical use.")
        _keep(page, tmp_path, "study")

        wait_until(
            lambda: page.value("document.querySelector('.middle img').naturalWidth > 100"),
            30,
            "the slice through the middle is a picture",
        )
        page.tab_to("at.tagName == 'A' && at.textContent == 'The slices on a page of their own'")
        page.press("Enter")
        _until(page, "The patient's left is at the right.")
        page.tab_to("at.textContent == 'To the middle of the GTV'")
        page.press("Enter")
        page.tab_to("at.className == 'film'")
        before = page.value("document.activeElement.scrollTop")
        page.press("ArrowDown", 3)
        wait_until(
            lambda: page.value("document.activeElement.scrollTop") > before, 10, "it scrolls"
        )
        wait_until(
            lambda: page.value("document.querySelector('#middle img').naturalWidth > 100"),
            10,
            "the slice through the tumour is a picture",
        )
        _keep(page, tmp_path, "slices")

        page.open(f"{url}/reports/", "document.body.innerText.includes('3 reports')")
        page.tab_to("at.pathname && at.pathname.endsWith('north-south/')")
        page.press("Enter")
        _until(page, "What it found at each centre")
        page.tab_to("at.textContent == 'Read the report'")
        page.press("Enter")
        _until(page, "Does it hold at every centre?")
        for width, height, dark in ((390, 844, False), (390, 844, True)):
            page.as_device(width, height, dark=dark)
            for path in ("/", "/worklist", f"/studies/{study}", "/centers/north"):
                page.open(f"{url}{path}", "document.readyState == 'complete'")
                assert page.value("document.documentElement.scrollWidth") <= width, path
            _keep(page, tmp_path, f"phone{'-dark' * dark}")
        width = page.as_sheet()
        for path in ("/", "/worklist", f"/studies/{study}", "/centers/north", "/reports/"):
            page.open(f"{url}{path}", "document.readyState == 'complete'")
            assert page.value("document.documentElement.scrollWidth") <= width, path
            assert "Log out" not in page.text()
        assert page.hosts == {url.removeprefix("http://")}


def test_a_word_without_end_hides_no_sentence(
    shown: Shown, peer: Callable[[str], str], tmp_path: Path
) -> None:
    told = f"Released by an operator: https://tickets.example/{'W' * 300} says why."
    study, database = shown.studies["quarantined"], shown.work.registry.studies._database
    with database.read() as connection:
        which = studies.c.study_key == study
        before = connection.scalar(select(studies.c.sentence).where(which))

    def say(sentence: str | None) -> None:
        with database.write() as connection:
            connection.execute(update(studies).where(which).values(sentence=sentence))

    say(told)
    narrow = "[...document.querySelectorAll('.scroll')].every(one => one.scrollWidth <= {})"
    try:
        with (
            _served(shown) as url,
            chromium(peer("chromium"), tmp_path / "profile", free_port()) as page,
        ):
            _log_in(page, url)
            page.open(f"{url}/worklist", "document.readyState == 'complete'")
            assert told in page.text()
            assert page.value(narrow.format(1280))
            page.as_device(390, 844)
            page.open(f"{url}/studies/{study}", "document.readyState == 'complete'")
            assert page.value("document.documentElement.scrollWidth") <= 390
    finally:
        say(before)
