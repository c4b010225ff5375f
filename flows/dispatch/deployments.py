"""The deployments: what a data manager finds in the Prefect UI and a biostatistician runs from a
shell.

One catalogue serves three ways: ``python -m flows serve`` offers it from one process, ``python -m
flows deploy POOL`` registers it for a work pool, and ``python -m flows deployments`` prints it as
the `prefect.yaml` of a site.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml
from prefect import Flow, serve
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.runner.storage import LocalStorage
from prefect.schedules import Cron
from prefect.utilities.callables import ParameterSchema

from flows.data.check_expectations import expectation_pages
from flows.data.import_clinical import import_clinical
from flows.dispatch.healing import ensure_healing
from flows.operators.accept_newer import accept_newer
from flows.operators.center_overview import center_overview
from flows.operators.redeliver import redeliver
from flows.operators.release_study import release_study
from flows.operators.requeue import requeue
from flows.operators.retrieve import retrieve
from flows.runs.forms import with_centers, with_help
from flows.settings import Settings
from flows.studies.certainty_cohort import certainty_cohort
from flows.studies.explain_study import explain_study
from flows.studies.score_cohort import score_cohort
from flows.studies.score_study import extract_study, score_study
from flows.training.compare_models import compare_models
from flows.training.train_model import train_model
from flows.validation.validate import pool_centers, validate_center, validate_cohort

EARLIER_NAMES = ("by-hand", "now")
"""Under which deployments were offered once."""
CONCURRENT_RUNS = 2
"""More cold processes at once than this exhaust the memory of a small machine."""


@dataclass(frozen=True)
class Offer:
    """A deployment that the dispatcher offers.

    Parameters
    ----------
    flow : Flow
        What it runs.
    name : str
        Its name beside the flow's.
    description : str
        What the person in front of the UI gets from it.
    tags : tuple of str
        By which the UI filters.
    concurrency : int
        How many of its runs may be under way; further ones wait.
    parameters : mapping of str to any
        Values that are filled in.
    centers : tuple of str
        The centres that its form offers.
    cron : str or None
        When it runs by itself.
    timezone : str
        Of `cron`.
    """

    flow: Flow[..., Any]
    name: str
    description: str
    tags: tuple[str, ...]
    concurrency: int = 1
    parameters: dict[str, Any] = field(default_factory=dict)
    centers: tuple[str, ...] = ()
    cron: str | None = None
    timezone: str = "UTC"

    @property
    def full_name(self) -> str:
        """The name that `prefect deployment run` takes."""
        return f"{self.flow.name}/{self.name}"

    @property
    def entrypoint(self) -> str:
        """Where a worker finds the flow, from the project's root."""
        return f"{self.flow.fn.__module__.replace('.', '/')}.py:{self.flow.fn.__name__}"

    def deployment(self, pool: str | None = None) -> RunnerDeployment:
        """Return it as Prefect registers it, for a work pool or for serving."""
        found = self.flow.to_deployment(
            self.name,
            description=self.description,
            tags=list(self.tags),
            parameters=self.parameters,
            schedule=Cron(self.cron, self.timezone) if self.cron else None,
            concurrency_limit=ConcurrencyLimitConfig(
                limit=self.concurrency, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
            ),
            work_pool_name=pool,
        )
        deployment = cast(RunnerDeployment, found)
        deployment._parameter_openapi_schema = ParameterSchema(**self.form())  # noqa: SLF001
        return deployment

    def form(self) -> dict[str, Any]:
        """Return its form as the UI shows it, a JSON schema: with help texts, and the centres as a
        choice.
        """
        shown = with_help(self.flow.parameters.model_dump(), self.flow.fn.__doc__)
        return with_centers(shown, self.centers)

    def as_yaml(self, pool: str) -> dict[str, Any]:
        """Return it as an entry of `prefect.yaml`."""
        entry: dict[str, Any] = {
            "name": self.name,
            "entrypoint": self.entrypoint,
            "description": self.description,
            "tags": list(self.tags),
            "work_pool": {"name": pool},
            "concurrency_limit": {"limit": self.concurrency, "collision_strategy": "ENQUEUE"},
        }
        if self.parameters:
            entry["parameters"] = self.parameters
        if self.cron:
            entry["schedules"] = [
                {"cron": self.cron, "timezone": self.timezone, "slug": "settings"}
            ]
        return entry


def catalogue(settings: Settings) -> tuple[Offer, ...]:
    """Return every deployment of an installation; each external centre has one of its own for its
    validation.
    """
    validation, external = settings.validation, settings.external_centers()
    every = tuple(center.name for center in settings.centers())
    training = tuple(name for name in every if name not in external)
    per_center = tuple(
        Offer(
            validate_center,
            center,
            f"Validate the pinned model on centre {center}.",
            ("validation", f"center:{center}"),
            parameters={"center": center},
            centers=(center,),
            cron=validation.schedule_of(center),
            timezone=validation.timezone,
        )
        for center in external
    )
    return (
        *per_center,
        Offer(
            pool_centers,
            "all-centers",
            "Validate the pinned model on all external centres, each alone and pooled.",
            ("validation",),
            cron=validation.pooled_schedule(),
            timezone=validation.timezone,
        ),
        Offer(
            validate_cohort,
            "ad-hoc",
            "Validate on a cohort of your own: centres, dates, stage, histology, sex, or a list "
            "of patients.",
            ("validation",),
            centers=external,
        ),
        Offer(
            score_cohort,
            "missing",
            "Score what the pinned model has not scored yet: after another bundle was pinned, say.",
            ("study", "model"),
            centers=external,
        ),
        Offer(
            certainty_cohort,
            "scored-without",
            "Compute how far scores move over other contours, where they were scored without.",
            ("study", "model"),
            centers=external,
        ),
        Offer(
            score_study,
            "score-one-study",
            "Score one study, named by its pseudonym or its patient's.",
            ("study",),
            concurrency=2,
        ),
        Offer(
            extract_study,
            "extract-one-study",
            "Extract one training study again.",
            ("study",),
            concurrency=2,
        ),
        Offer(
            explain_study, "explain-one-study", "Say what a study's score is made of.", ("study",)
        ),
        Offer(
            requeue,
            "work-on-studies-again",
            "Let held, quarantined or incomplete studies be worked on again.",
            ("operator",),
            centers=every,
        ),
        Offer(
            redeliver,
            "send-report-again",
            "Send the structured report of a study to its PACS again.",
            ("operator",),
        ),
        Offer(
            release_study,
            "release-from-quarantine",
            "Let a quarantined study be scored all the same, with what was found as warnings; "
            "this is recorded.",
            ("operator",),
        ),
        Offer(
            accept_newer,
            "accept-newer-contents",
            "Let the refused newer contents of a study's instances take the place of the first; "
            "the older bytes stay kept, and this is recorded.",
            ("operator",),
        ),
        Offer(
            import_clinical,
            "csv",
            "Import a centre's clinical table: the file that you name, or all that lie in the "
            "centre's drop folder.",
            ("clinical",),
            centers=every,
        ),
        Offer(
            retrieve,
            "fetch-list",
            "Fetch a list of patients or studies from their centre's PACS; the list lies in the "
            "centre's folder of retrieval_lists.",
            ("operator",),
            centers=every,
        ),
        Offer(
            center_overview,
            "renew-overview",
            "What arrived, was scored, quarantined and delivered, per centre.",
            ("overview",),
        ),
        Offer(
            expectation_pages,
            "renew-expectation-pages",
            "Renew the pages on what was expected and what met it.",
            ("overview",),
        ),
        Offer(
            compare_models,
            "compare-two-bundles",
            "Compare two bundles on the same patients.",
            ("model", "validation"),
            centers=every,
        ),
        Offer(
            train_model,
            "train-and-freeze",
            "Train and freeze a model on one centre.",
            ("model",),
            centers=training,
        ),
    )


def remove_renamed(offers: Iterable[Offer]) -> None:
    """Take the deployments off the Prefect server that an earlier version of this software
    registered under other names: nobody would take up their runs.
    """
    with get_client(sync_client=True) as client:
        for offer in offers:
            for name in EARLIER_NAMES:
                with suppress(ObjectNotFound):
                    there = client.read_deployment_by_name(f"{offer.flow.name}/{name}")
                    client.delete_deployment(there.id)


def serve_deployments(settings: Settings) -> None:
    """Serve every deployment until stopped; each run gets a process of its own."""
    ensure_healing()
    remove_renamed(catalogue(settings))
    # Stopping must not pause the schedules: nobody would find out why nothing runs after the next
    # start.
    serve(
        *(offer.deployment() for offer in catalogue(settings)),
        limit=CONCURRENT_RUNS,
        pause_on_shutdown=False,
    )


def register_deployments(settings: Settings, pool: str, checkout: Path) -> list[str]:
    """Register every deployment for a work pool whose workers find this software in the folder
    `checkout`.
    """
    ensure_healing()
    offers = catalogue(settings)
    remove_renamed(offers)
    for offer in offers:
        deployment = offer.deployment(pool)
        deployment.entrypoint = offer.entrypoint
        deployment.storage = LocalStorage(str(checkout))
        deployment.apply(work_pool_name=pool)
    return [offer.full_name for offer in offers]


def prefect_yaml(settings: Settings, pool: str) -> str:
    """Return the catalogue as a `prefect.yaml`."""
    head = (
        "# Written by `python -m flows deployments`: for a work pool what `python -m flows serve` "
        "offers.\n# prefect --no-prompt deploy --all --prefect-file deploy/prefect.yaml   (from "
        "the project's root)\n"
    )
    body = {
        "name": "annulus",
        "pull": [
            {
                "prefect.deployments.steps.set_working_directory": {
                    "directory": "{{ $ANNULUS_ROOT }}"
                }
            }
        ],
        "deployments": [offer.as_yaml(pool) for offer in catalogue(settings)],
    }
    return head + yaml.safe_dump(body, sort_keys=False, width=120, allow_unicode=True)
