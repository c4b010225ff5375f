"""The demonstration: three synthetic centres, from DICOM push to validation report, with the real
parts.

``python -m deploy.demo`` runs it in the folder ``annulus-demo``; ``python -m deploy.demo ui`` shows
its runs later.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from collections import Counter
from itertools import chain
from pathlib import Path

from deploy.demo.cohort import DEMO_CENTERS, CenterFiles, CenterSpec, write_center
from deploy.local.processes import LocalSystem, PartFailedError, free_port
from dicom_node.registry.registry import Registry, StudyState, StudySummary, open_registry
from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, SETTINGS_VARIABLE, NodeSettings
from feature_store.wording import counted
from models.bundle.frozen_bundle import read_digest
from validation_reports.report.main_numbers import center_rows
from validation_reports.report.validation_report import from_json

FOLDER = Path("annulus-demo")
PREFECT_PORT = 4200
SEED = 20260101
NETWORK_EPOCHS = 8
ASSOCIATIONS = 2
PSEUDONYM_KEY = "the demonstration's key, the same in each run, and no secret"
_DONE = {StudyState.SCORED, StudyState.EXTRACTED, StudyState.QUARANTINED}
_STUDY_TIMEOUT_S = 1200.0
_PROGRESS_EVERY_S = 5.0
_LOOK_EVERY_S = 1.0


class Progress:
    """Says what happens, with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print one line of progress."""
        print(f"[{time.monotonic() - self._start:5.0f} s] {text}", flush=True)


def main() -> int:
    """Run the demonstration or show its runs; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.demo", description=__doc__.splitlines()[0]
    )
    parser.add_argument("what", nargs="?", choices=("run", "ui"), default="run")
    parser.add_argument(
        "--folder",
        type=Path,
        default=FOLDER,
        help="where everything is kept (default: %(default)s)",
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="share of the patients to make (default: %(default)s)",
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    if options.what == "ui":
        return show_ui(options.folder)
    centers = [spec.scaled(options.scale) for spec in DEMO_CENTERS]
    try:
        return run(options.folder, centers)
    except PartFailedError as error:
        print(f"The demonstration stopped: {error}", file=sys.stderr)
        return 1


def _leave(number: int, _frame: object) -> None:
    """Leave through every open context, once: a second signal must not interrupt the stopping of
    the parts.
    """
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def run(folder: Path, specs: list[CenterSpec]) -> int:
    """Run the demonstration in `folder`, whose earlier demonstration is removed."""
    progress = Progress()
    _empty(folder)
    training, *external = specs
    ports = {spec.name: free_port() for spec in specs}
    settings = _write_settings(folder, specs, ports)
    environment = {PSEUDONYM_KEY_VARIABLE: PSEUDONYM_KEY, SETTINGS_VARIABLE: str(settings)}
    with LocalSystem(folder, environment) as system:
        progress.say("starting the Prefect server, the DICOM node and a PACS for each centre")
        system.start_prefect_server()
        system.start_node(NodeSettings.load(settings).node.port)
        registry = open_registry(NodeSettings.load(settings).node)
        for spec in specs:
            _start_pacs(system, folder, spec.name, ports[spec.name])
        system.start_dispatcher()
        made = {training.name: _make(folder, training, progress)}
        system.wait_for_prefect()
        _import_clinical(system, made[training.name], training.name)
        _push(system, progress, settings, training.name, made[training.name])
        for spec in external:
            made[spec.name] = _make(folder, spec, progress)
            _import_clinical(system, made[spec.name], spec.name)
        _wait_for_studies(
            system, progress, registry, training.name, len(made[training.name].study_folders)
        )

        bundle = folder / "bundle"
        _train(system, progress, training.name, bundle)
        digest = read_digest(bundle)
        _pin(settings, bundle, digest)
        progress.say(f"frozen: bundle {digest[:16]}, pinned in {settings.name}")

        system.stop("dispatcher")
        system.start_dispatcher()
        for spec in external:
            _push(system, progress, settings, spec.name, made[spec.name])
        for spec in external:
            _wait_for_studies(
                system, progress, registry, spec.name, len(made[spec.name].study_folders)
            )
        _wait_for_delivery(system, registry, progress)

        names = [spec.name for spec in external]
        progress.say("validating " + ", ".join(names) + " and both together")
        system.run("validate", "flows", "validate", *names, "--name", "demonstration")
    _summarise(folder, registry, specs, progress)
    return 0


def show_ui(folder: Path) -> int:
    """Serve the Prefect UI over the runs of the last demonstration until interrupted."""
    if not (folder / "prefect").is_dir():
        print(f"There is no demonstration in {folder}: run make demo first.", file=sys.stderr)
        return 1
    with LocalSystem(folder, {}, PREFECT_PORT) as system:
        system.start_prefect_server()
        system.wait_for_prefect()
        print(
            f"Prefect UI of the demonstration: {system.prefect_url}/runs (stop with Ctrl-C)",
            flush=True,
        )
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0


def _empty(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / "annulus.toml").is_file():
        raise PartFailedError(
            f"{folder} holds something else than a demonstration; remove it or give another "
            "--folder."
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _write_settings(folder: Path, specs: list[CenterSpec], ports: dict[str, int]) -> Path:
    here = folder.absolute()
    lines = [
        "# Settings of the demonstration.",
        "[node]",
        f"port = {free_port()}",
        f'folder = "{here / "node"}"',
        "quiet_period_s = 5.0",
        "[validation]",
        f'reports = "{here / "reports"}"',
        "[prefect]",
        "workers = 2",
    ]
    for index, spec in enumerate(specs):
        lines += [
            f"[center.{spec.name}]",
            f'ae_titles = ["PACS_{spec.name}"]',
            f'role = "{"external" if index else "training"}"',
            f"[center.{spec.name}.return_to]",
            f'ae_title = "PACS_{spec.name}"',
            'host = "127.0.0.1"',
            f"port = {ports[spec.name]}",
        ]
    path = here / "annulus.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _start_pacs(system: LocalSystem, folder: Path, center: str, port: int) -> None:
    received = folder / "pacs" / center / "received"
    received.mkdir(parents=True)
    where = ("-aet", f"PACS_{center}", "-od", str(received.absolute()))
    system.start(f"pacs-{center}", "pynetdicom", "storescp", str(port), *where, "-q")


def _train(system: LocalSystem, progress: Progress, center: str, bundle: Path) -> None:
    progress.say(
        f"training on centre {center}: network, feature selection, Cox model, frozen bundle"
    )
    options = {
        "--name": "annulus-demonstration",
        "--seed": str(SEED),
        "--epochs": str(NETWORK_EPOCHS),
        "--lambda-rule": "1se",
        "--bootstraps": "20",
        "--folds": "0",
        # How many features of the network are selected depends on the processor's rounding
        "--least-deaths-per-component": "0",
    }
    arguments = (center, str(bundle.absolute()), *chain.from_iterable(options.items()))
    system.run("train", "flows", "train", *arguments, "--demonstration")


def _pin(settings: Path, bundle: Path, digest: str) -> None:
    with settings.open("a", encoding="utf-8") as file:
        file.write(f'[model]\nbundle = "{bundle.absolute()}"\ndigest = "{digest}"\n')


def _make(folder: Path, spec: CenterSpec, progress: Progress) -> CenterFiles:
    progress.say(
        f"centre {spec.name}: making {counted(spec.patients, 'synthetic patient')} as DICOM "
        f"({spec.description})"
    )
    return write_center(folder / "pacs" / spec.name, spec, SEED)


def _import_clinical(system: LocalSystem, files: CenterFiles, center: str) -> None:
    system.run("import-clinical", "flows", "import-clinical", center, str(files.clinical_csv))


def _push(
    system: LocalSystem, progress: Progress, settings: Path, center: str, files: CenterFiles
) -> None:
    node = NodeSettings.load(settings).node
    progress.say(
        f"centre {center}: its PACS pushes {counted(len(files.study_folders), 'study', 'studies')} "
        "to the node by C-STORE"
    )
    for number in range(ASSOCIATIONS):
        folders = map(str, files.study_folders[number::ASSOCIATIONS])
        arguments = (str(node.port), f"PACS_{center}", node.ae_title, *folders)
        system.start(f"push-{center}-{number + 1}", "deploy.demo.push", *arguments)


def _wait_for_studies(
    system: LocalSystem, progress: Progress, registry: Registry, center: str, expected: int
) -> None:
    last = -_PROGRESS_EVERY_S

    def finished() -> bool:
        nonlocal last
        states = Counter(study.state for study in registry.studies.summaries(center))
        done = sum(states[state] for state in _DONE)
        if done == expected or time.monotonic() - last >= _PROGRESS_EVERY_S:
            last = time.monotonic()
            counts = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
            progress.say(
                f"centre {center}: {done} of {counted(expected, 'study', 'studies')} done "
                f"({counts or 'none here yet'})"
            )
        return done == expected

    system.wait_until("dispatcher", finished, _STUDY_TIMEOUT_S, _LOOK_EVERY_S)


def _wait_for_delivery(system: LocalSystem, registry: Registry, progress: Progress) -> None:
    progress.say("waiting until every report, with its regions and page, is in its centre's PACS")
    system.wait_until(
        "node",
        lambda: not registry.deliveries.undelivered(),
        _STUDY_TIMEOUT_S,
        _LOOK_EVERY_S,
    )


def _summarise(
    folder: Path, registry: Registry, specs: list[CenterSpec], progress: Progress
) -> None:
    studies = registry.studies.summaries()
    quarantined = [study for study in studies if study.state is StudyState.QUARANTINED]
    report = max((folder / "reports").glob("*/report.json"))
    print("\nWhat happened")
    for spec in specs:
        print(
            f"  centre {spec.name}: "
            f"{_counts([study for study in studies if study.center == spec.name])}"
        )
    for study in quarantined:
        print(f"  quarantined: study {study.study_key} of centre {study.center}. {study.sentence}")
    for row in center_rows(from_json(report.read_text(encoding="utf-8"))):
        found = f"C-index {row['C-index']}, hazard ratio {row['hazard ratio']}"
        print(
            f"  {_of_whom(str(row['centre']), specs)}: {found} in "
            f"{counted(int(row['patients']), 'patient')} with "
            f"{counted(int(row['deaths']), 'death')}"
        )
    print(f"  reports, regions, pages (DICOM SR, SEG, PDF): {folder / 'pacs'}/*/received")
    print(f"  frozen bundle: {folder / 'bundle'}")
    print(f"  Prefect UI of these runs: make demo-ui, then http://127.0.0.1:{PREFECT_PORT}/runs")
    print("  demonstration model, not for clinical use")
    progress.say("done")
    print("\nOpen the validation report first:")
    print(report.with_name("report.html").resolve().as_uri())


def _of_whom(label: str, specs: list[CenterSpec]) -> str:
    is_center = label in {spec.name for spec in specs}
    return f"centre {label}" if is_center else f"{label[:1].lower()}{label[1:]}"


def _counts(studies: list[StudySummary]) -> str:
    states = Counter(study.state for study in studies)
    delivered = sum(bool(study.delivered) for study in studies)
    parts = [f"{counted(len(studies), 'study', 'studies')} received"]
    parts += [
        f"{states[state]} {state}"
        for state in (StudyState.EXTRACTED, StudyState.SCORED, StudyState.QUARANTINED)
        if states[state]
    ]
    return ", ".join([*parts, f"{delivered} SR delivered"] if delivered else parts)


if __name__ == "__main__":
    sys.exit(main())
