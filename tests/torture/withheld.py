"""Studies of which a part never comes, and a PACS that has it and dies: ``python -m
tests.torture.withheld --pacs Orthanc --studies 200 --kills 5``.

Of each study some slices, or the RTSTRUCT, are withheld from the push. The node asks the PACS for
them, which is killed and started again, while a worker claims and finishes what is complete. In the
end every study must have been claimed exactly once, and whole. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from dicom_node.registry.registry import StudyState
from tests.support.dcmqrscp import Dcmqrscp
from tests.support.dicom_datasets import save
from tests.support.intake_bench import ct_slice, rtstruct
from tests.support.node_process import NodeProcess
from tests.support.orthanc import Orthanc
from tests.support.peer_programs import peer_program
from tests.support.settings_tables import center_table
from tests.support.waiting import wait_until

SLICES = 9
WITHHELD = 0.3
_NODE = (
    "quiet_period_s = 1\nlongest_wait_s = 600\nsweep_interval_s = 0.1\nminimum_free_bytes = 0\n"
    "delivery_first_retry_s = 0.2\ndelivery_longest_retry_s = 1"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pacs", choices=("Orthanc", "dcmqrscp"), default="Orthanc")
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="withheld-") as name:
        result = withheld(Path(name), options.pacs, options.studies, options.kills, options.seed)
    print(json.dumps(result))
    return 0 if result["whole"] == result["claims"] == result["rows"] == options.studies else 1


def query_from(ae_title: str, port: int, **more: str) -> str:
    """Return the table of the PACS that the centre alpha is asked at."""
    lines = ["[center.alpha.query_from]", f"ae_title = '{ae_title}'", "host = '127.0.0.1'"]
    return "\n".join([*lines, f"port = {port}", *(f"{k} = {v}" for k, v in more.items())]) + "\n"


def write_studies(folder: Path, count: int) -> list[list[Path]]:
    """Write small whole studies, each of a patient of its own; the RTSTRUCT last."""
    folder.mkdir()
    written = []
    for number in range(1, count + 1):
        study, series, patient = f"1.2.{number}", f"1.2.{number}.1", f"PATIENT{number:05d}"
        slices = [
            ct_slice(index, study=study, series=series, patient=patient) for index in range(SLICES)
        ]
        listed = [str(one.SOPInstanceUID) for one in slices]
        drawn = rtstruct(
            listed, study=study, sop=f"{study}.9.1", patient=patient, square_mm=(4, 6, 12)
        )
        drawn.SeriesInstanceUID = f"{study}.9"
        files = [save(one, folder / f"{one.SOPInstanceUID}.dcm") for one in (*slices, drawn)]
        written.append(files)
    return written


def withheld(folder: Path, pacs: str, studies: int, kills: int, seed: int) -> dict[str, float]:
    """Push parts of studies, and return what became of them.

    Parameters
    ----------
    folder : Path
        Where everything lies.
    pacs : str
        ``Orthanc`` or ``dcmqrscp``.
    studies : int
        How many.
    kills : int
        How often the PACS is killed.
    seed : int
        Of what is withheld, and when it is killed.
    """
    random = Random(seed)
    node = NodeProcess(folder / "node", node=_NODE, centers="")
    source = _pacs(pacs, folder / "pacs", node.port)
    port = source.dicom_port if isinstance(source, Orthanc) else source.port
    with node.settings.open("a") as settings:
        settings.write(center_table("alpha", completeness="strict"))
        settings.write(query_from(source.ae_title, port))
    files = write_studies(folder / "files", studies)
    pushed = [[one for one in study if random.random() >= WITHHELD] for study in files]
    expected = sum(any(study) for study in pushed)
    with source:
        source.store([one for study in files for one in study])
        node.start()
        began = time.monotonic()
        try:
            with _claimed(node) as slices:
                for number, study in enumerate(pushed):
                    if study:
                        assert node.push(study).returncode == 0
                    if kills and number in _moments(len(pushed), kills):
                        source.kill()
                        time.sleep(random.uniform(0.2, 1.0))
                        _again(source)
                wait_until(
                    lambda: _is_over(node, expected),
                    60 + studies,
                    "every study is scored",
                    evidence=lambda: "\n".join(str(one) for one in node.studies()),
                )
        finally:
            took = time.monotonic() - began
            node.kill()
    with node.registry() as registry:
        asked = registry.retrievals.counts()
        rows = sum(registry.outbox.counts().values())
    return {
        "studies": expected,
        "withheld": sum(len(a) - len(b) for a, b in zip(files, pushed, strict=True)),
        "claims": len(slices),
        "whole": sum(count == SLICES for count in slices),
        "rows": rows,
        "asked": sum(asked.values()),
        "seconds": round(took, 1),
    }


def _moments(count: int, kills: int) -> set[int]:
    return {(number + 1) * count // (kills + 1) for number in range(kills)}


def _pacs(name: str, folder: Path, node_port: int) -> Orthanc | Dcmqrscp:
    program = peer_program(name)
    assert program is not None, f"{name} is not installed"
    if name == "Orthanc":
        return Orthanc(
            program, folder, "QR", modalities={"annulus": ("ANNULUS", "127.0.0.1", node_port)}
        )
    return Dcmqrscp(program, folder, node_port)


def _again(source: Orthanc | Dcmqrscp) -> None:
    if isinstance(source, Orthanc):
        source.__enter__()
    else:
        source.start()


def _is_over(node: NodeProcess, studies: int) -> bool:
    found = node.studies()
    return len(found) >= studies and all(one.state is StudyState.SCORED for one in found)


@contextmanager
def _claimed(node: NodeProcess) -> Iterator[list[int]]:
    """Claim and finish what is complete as long as the context; the slices of each claim."""
    slices: list[int] = []
    is_over = threading.Event()

    def work() -> None:
        with node.registry() as registry:
            while not is_over.wait(0.05):
                while (item := registry.outbox.claim("withheld", 600)) is not None:
                    files = registry.outbox.files(item.study_key, item.content_digest)
                    slices.append(len(files.ct))
                    registry.outbox.finish(
                        item.study_key, item.content_digest, None, StudyState.SCORED, None, None
                    )

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield slices
    finally:
        is_over.set()
        worker.join()


if __name__ == "__main__":
    raise SystemExit(main())
