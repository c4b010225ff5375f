"""An installation under test: node and dispatcher as processes on free ports in a temporary folder,
beside a Prefect server.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from dicom_node.registry.registry import StudyState, StudySummary, open_registry
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, SETTINGS_VARIABLE, NodeSettings
from feature_store.tables.store import FeatureStore
from tests.support.dcmtk import storescu
from tests.support.processes import KillableSystem, run_module, scoring_process
from tests.support.settings_tables import write_settings
from tests.support.waiting import wait_until
from tests.support.web import ask

Place = Callable[[], Mapping[str, str]]
"""Says where an installation keeps registry and features."""


class Running:
    """One installation under test: its processes, settings and registry."""

    def __init__(
        self,
        folder: Path,
        prefect_port: int,
        centers: str,
        bundle: tuple[Path, str],
        registry_url: str | None = None,
        store: str | None = None,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.bundle_digest = bundle[1]
        self.store = FeatureStore(store or str(folder / "node" / "feature_store"))
        registry = f"registry_url = '{registry_url}'\n" if registry_url else ""
        self.settings = write_settings(
            folder,
            bundle[0],
            (f"[features]\nstore = '{store}'\n" if store else "") + centers,
            node=f"{registry}quiet_period_s = 2.0\nsweep_interval_s = 0.2\n"
            "delivery_first_retry_s = 0.5",
            prefect="lease_s = 6.0\nfirst_retry_s = 1.0\npoll_interval_s = 0.1",
        )
        node = NodeSettings.load(self.settings).node
        self.port = node.port
        self.environment = {
            PSEUDONYM_KEY_VARIABLE: secrets.token_hex(32),
            SETTINGS_VARIABLE: str(self.settings),
        }
        self.system = KillableSystem(folder, self.environment, prefect_port)
        self.registry = open_registry(node)

    def push(self, peer: Callable[[str], str], files: Sequence[Path], calling: str) -> int:
        """Push files in this order on one association with DCMTK's storescu; return its exit
        code.
        """
        return storescu(peer("storescu"), self.port, files, calling).returncode

    def studies(self, *states: StudyState) -> list[StudySummary]:
        """Return the studies that are in one of the states."""
        return [
            study
            for study in self.registry.studies.summaries()
            if not states or study.state in states
        ]

    def state_of(self, study_key: str) -> StudyState:
        """Return the state of one study."""
        return next(
            study.state
            for study in self.registry.studies.summaries()
            if study.study_key == study_key
        )

    def wait_for(
        self, count: int, *states: StudyState, timeout_s: float = 300
    ) -> list[StudySummary]:
        """Wait until `count` studies are in one of the states, and return them."""
        wait_until(
            lambda: len(self.studies(*states)) >= count,
            timeout_s,
            f"{count} studies {[state.value for state in states]}",
        )
        return self.studies(*states)

    def use_bundle(self, folder: Path) -> None:
        """Let the dispatcher, when it starts next, score with another folder under the same pinned
        digest.
        """
        lines = self.settings.read_text().splitlines()
        self.settings.write_text(
            "\n".join(
                f"bundle = '{folder}'" if line.startswith("bundle = ") else line for line in lines
            )
            + "\n"
        )

    def run_flow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of ``python -m flows`` to its end."""
        return run_module(self.system.environment, "flows", *arguments)

    def run_prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of Prefect's own to its end."""
        return run_module(self.system.environment, "prefect", *arguments)

    def wait_until_idle(self) -> None:
        """Wait until nothing waits in the outbox and the quiet period of every study is over."""
        wait_until(self._is_idle, 60, "the outbox is empty")

    def _is_idle(self) -> bool:
        waiting = self.registry.outbox.counts()
        settled = all(
            study.state not in {StudyState.RECEIVING, StudyState.QUEUED} for study in self.studies()
        )
        return settled and waiting["waiting"] == waiting["claimed"] == 0

    def kill_worker(self) -> None:
        """Kill the dispatcher's scoring process, not the dispatcher (SIGKILL)."""
        worker = scoring_process(self.system.pid("dispatcher"))
        assert worker is not None, "the dispatcher has no scoring process"
        os.kill(worker, signal.SIGKILL)

    def own_runs(self) -> list[dict[str, Any]]:
        """Return the Prefect runs of this installation's studies."""
        keys = {study.study_key for study in self.studies()}
        return [run for run in self.flow_runs() if run["parameters"].get("study_key") in keys]

    def own_steps(self) -> list[dict[str, Any]]:
        """Return the task runs of this installation's studies."""
        own = {"id": {"any_": [run["id"] for run in self.own_runs()]}}
        steps: list[dict[str, Any]] = ask(
            f"{self.system.prefect_url}/api/task_runs/filter", {"flow_runs": own}
        )
        return steps

    def flow_runs(self) -> list[dict[str, Any]]:
        """Return the Prefect runs of the last start of the shared server, newest first."""
        runs: list[dict[str, Any]] = ask(
            f"{self.system.prefect_url}/api/flow_runs/filter",
            {"sort": "START_TIME_DESC", "limit": 200},
        )
        return runs


class NewInstallation(Protocol):
    """Starts an installation with the given ``[center]`` tables, for as long as the context
    lasts.
    """

    def __call__(
        self, centers: str, *, dispatcher: bool = True
    ) -> AbstractContextManager[Running]: ...
