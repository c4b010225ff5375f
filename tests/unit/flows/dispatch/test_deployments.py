"""The catalogue of deployments: one for each centre, schedules from the settings, and the file to
deploy from.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.schemas.automations import EventTrigger

from flows.dispatch.deployments import catalogue, prefect_yaml
from flows.dispatch.healing import NEVER_BEGAN_S, SILENCE_S, automations
from flows.runs.forms import fields
from flows.settings import Settings
from tests.support import ROOT

EXAMPLE = ROOT / "deploy" / "settings.example.toml"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "annulus.toml"
    file.write_text(
        "[validation]\nschedule = '0 1 * * *'\npool_schedule = 'off'\ntimezone = "
        "'Europe/Amsterdam'\nschedules = { C = 'off' }\n[center.A]\nae_titles = ['A']\nrole = "
        "'training'\n[center.B]\nae_titles = ['B']\n[center.C]\nae_titles = ['C']\n"
    )
    return Settings.load(file)


def test_each_external_center_has_its_own_validation_and_schedule(settings: Settings) -> None:
    offers = {offer.full_name: offer for offer in catalogue(settings)}
    assert "validate-center/A" not in offers
    assert (offers["validate-center/B"].cron, offers["validate-center/C"].cron) == (
        "0 1 * * *",
        None,
    )
    assert offers["pool-centers/all-centers"].cron is None
    deployment = offers["validate-center/B"].deployment()
    assert deployment.parameters == {"center": "B"}
    (schedule,) = list(deployment.schedules or [])
    assert isinstance(schedule.schedule, CronSchedule)
    assert schedule.schedule.timezone == "Europe/Amsterdam"


def test_names_tell_deployments_apart(settings: Settings) -> None:
    names = [offer.name for offer in catalogue(settings)]
    assert len(set(names)) == len(names)
    assert not {"by-hand", "now"} & set(names)


def test_every_form_has_help_texts_and_offers_the_centres(settings: Settings) -> None:
    of_role = {("A",): {"train-model"}, ("B", "C"): {"validate-cohort", "score-cohort"}}
    for offer in catalogue(settings):
        form = offer.deployment()._parameter_openapi_schema.model_dump()
        assert form == offer.form()
        for name, field in fields(form):
            assert field.get("description", "").endswith("."), (offer.full_name, name)
        text = json.dumps(form)
        if '"center"' in text or '"centers"' in text:
            assert f'"enum": {json.dumps(list(offer.centers))}' in text
            for centers, flows in of_role.items():
                assert (offer.flow.name in flows) <= (offer.centers == centers)


def test_every_deployment_says_what_it_is_for_and_how_many_may_run(settings: Settings) -> None:
    offers = catalogue(settings)
    assert len({offer.full_name for offer in offers}) == len(offers)
    for offer in offers:
        assert offer.description.endswith(".")
        assert offer.tags
        assert offer.deployment().concurrency_limit == offer.concurrency
        module, function = offer.as_yaml("annulus")["entrypoint"].split(":")
        assert f"def {function}(" in (ROOT / module).read_text()


def test_the_committed_prefect_yaml_is_that_of_the_example() -> None:
    written = (ROOT / "deploy" / "prefect.yaml").read_text()
    assert written == prefect_yaml(Settings.load(EXAMPLE), "annulus")
    assert {one["work_pool"]["name"] for one in yaml.safe_load(written)["deployments"]} == {
        "annulus"
    }


def test_runs_that_fall_silent_are_ended_after_more_than_two_heartbeats() -> None:
    silent, never = (automation.trigger for automation in automations())
    assert isinstance(silent, EventTrigger)
    assert isinstance(never, EventTrigger)
    assert silent.within.total_seconds() == SILENCE_S > 60
    assert never.within.total_seconds() == NEVER_BEGAN_S
    assert "prefect.flow-run.heartbeat" in silent.expect
    assert "prefect.flow-run.Running" in never.expect
