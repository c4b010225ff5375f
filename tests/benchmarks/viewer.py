"""What the most used open viewer shows of a score: OHIF on Orthanc in headless Chromium.

``make viewer ARGS="--ohif FOLDER"`` takes the folder ``dist`` of npm's ``@ohif/app`` (``npm pack
@ohif/app``), an Orthanc with its DICOMweb plugin and a Chromium. With ``--study FOLDER`` it pushes
a CT with objects that are made of it and of a made-up score, with ``--demonstration FOLDER`` the
first study that `make demo` scored at centre B, with what its PACS received of it. It opens the
study, and looks at each object: the page of the PDF, the finding of the structured report, and the
segments over the CT. What the viewer says is asserted, its pictures are kept to be looked at, and
the seconds of each step are printed as one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from deploy.local.processes import free_port
from feature_store.imaging.regions import Region
from models.combined.combined_model import Risk
from tests.support.browser import Page, chromium
from tests.support.ohif import served_viewer
from tests.support.orthanc import Orthanc
from tests.support.shown_regions import MODEL, SCORED_AT, RegionsOfStudy, regions_of_study
from tests.support.waiting import wait_until
from validation_reports.dicom.encapsulated_pdf import patient_document
from validation_reports.dicom.files import write_dicom
from validation_reports.dicom.patient_report import build_structured_report
from validation_reports.dicom.references import RoiReference
from validation_reports.dicom.uids import derived_uid
from validation_reports.not_estimable import NotEstimable
from validation_reports.page.patient_page import PatientPage, patient_pdf
from validation_reports.page.patient_plots import PredictedSurvival, ScorePart
from validation_reports.page.region_pictures import CtPlanes, region_pictures

DICOMWEB = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
SOFTWARE_GRAPHICS = (
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
RISK = Risk(0.4321, True, {365: 0.61, 730: 0.37, 1095: 0.22}, {"gtv": 0.4321})
NOT_VALIDATED = NotEstimable("This model has not been validated at centre B yet.")
_CLICK = """((words, twice) => {
  const named = [...document.querySelectorAll('*')].filter(
    one => one.children.length === 0 && one.innerText && one.innerText.trim() === words);
  if (!named.length) return false;
  const once = ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click'];
  for (const kind of twice ? [...once, ...once, 'dblclick'] : once)
    named[named.length - 1].dispatchEvent(
      new MouseEvent(kind, {bubbles: true, cancelable: true, view: window}));
  return true;
})"""


def main() -> int:
    """Look, print, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.viewer", description=__doc__)
    parser.add_argument("--ohif", type=Path, required=True, help="the viewer's static files")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--study", type=Path, help="folder with ct/ and rtstruct/")
    what.add_argument("--demonstration", type=Path, help="folder of a demonstration")
    parser.add_argument("--pictures", type=Path, default=Path("viewer-pictures"))
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)
    took: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="annulus-viewer-") as name:
        folder = Path(name)
        returned = (
            of_study(options.study, folder)
            if options.demonstration is None
            else of_demonstration(options.demonstration)
        )
        with Orthanc(program("Orthanc"), folder / "orthanc", plugins=[DICOMWEB]) as orthanc:
            for path in returned.files:
                push = Request(f"{orthanc.url}/instances", data=path.read_bytes())
                urlopen(push, timeout=60).close()
            with (
                served_viewer(options.ohif, orthanc.url) as url,
                chromium(
                    program("chromium"), folder / "profile", free_port(), SOFTWARE_GRAPHICS
                ) as page,
            ):
                study = f"{url}/viewer?StudyInstanceUIDs={returned.study_uid}"
                look(page, study, returned, options.pictures, took)
    print(json.dumps({name: round(seconds, 1) for name, seconds in took.items()}))
    return 0


@dataclass(frozen=True)
class Returned:
    """A study with what was returned of it.

    Parameters
    ----------
    study_uid : str
        Its Study Instance UID.
    contour : str
        The ROI's name.
    finding : str
        The survival that the report tells, in the viewer's words.
    files : tuple of Path
        CT and objects.
    """

    study_uid: str
    contour: str
    finding: str
    files: tuple[Path, ...]


def of_study(study: Path, folder: Path) -> Returned:
    """Make the objects of a study, with a made-up score."""
    found = regions_of_study(study)
    objects = made_objects(found, folder)
    return _returned((*sorted((study / "ct").rglob("*.dcm")), *objects), objects[1])


def of_demonstration(folder: Path) -> Returned:
    """Return a study that a demonstration scored, with what the PACS received of it."""
    center = folder / "pacs" / "B"
    received = {
        path: dcmread(path, specific_tags=["StudyInstanceUID", "Modality"])
        for path in sorted((center / "received").iterdir())
    }
    report, first = next((path, one) for path, one in received.items() if one.Modality == "SR")
    ct = (
        path
        for path in sorted((center / "dicom").rglob("CT_*.dcm"))
        if dcmread(path, specific_tags=["StudyInstanceUID"]).StudyInstanceUID
        == first.StudyInstanceUID
    )
    objects = (
        path for path, one in received.items() if one.StudyInstanceUID == first.StudyInstanceUID
    )
    return _returned((*ct, *objects), report)


def _returned(files: tuple[Path, ...], report: Path) -> Returned:
    said = dcmread(report)
    name, value = next(
        (item.ConceptNameCodeSequence[0].CodeMeaning, item.MeasuredValueSequence[0].NumericValue)
        for item in _items(said)
        if item.ValueType == "NUM"
        and item.ConceptNameCodeSequence[0].CodeValue.startswith("survival-")
    )
    contour = next(
        str(item.TextValue)
        for item in _items(said)
        if item.ConceptNameCodeSequence[0].CodeValue == "112039"  # Tracking Identifier
    )
    return Returned(str(said.StudyInstanceUID), contour, f"{name}: {str(value)[:4]}", files)


def _items(node: Dataset) -> Iterator[Dataset]:
    for item in node.get("ContentSequence", ()):
        yield item
        yield from _items(item)


def look(
    page: Page, study: str, returned: Returned, pictures: Path, took: dict[str, float]
) -> None:
    """Open each object in the viewer, and say how long it took until it was shown."""
    contour = returned.contour

    def step(name: str, act: Callable[[], None], shown: str) -> None:
        started = time.monotonic()
        act()
        wait_until(
            lambda: bool(page.value(f"Boolean({shown})")),
            90,
            f"{name}: {shown}",
            evidence=page.text,
        )
        time.sleep(2)  # until it is drawn
        page.picture(pictures / f"{name}.png")
        took[f"{name}_s"] = time.monotonic() - started

    def shows(words: str) -> str:
        return f"document.body.innerText.includes({json.dumps(words)})"

    listed = " && ".join(
        shows(one)
        for one in (
            "CT\\DOC\\SEG\\SR",
            "Annulus prognosis DEMONSTRATION (page)",
            f"Annulus regions DEMONSTRATION: {contour}",
        )
    )
    step("study", lambda: page.open(study, "document.querySelector('canvas')"), listed)
    page.value(f"{_CLICK}('Skip all', false)")
    step(
        "page",
        lambda: click(page, "Annulus prognosis DEMONSTRATION (page)", twice=True),
        "document.querySelector('object[type=\"application/pdf\"]')",
    )
    step(
        "report",
        lambda: click(page, f"Annulus prognosis DEMONSTRATION: {contour}", twice=True),
        shows(returned.finding),
    )
    assert "Volume: " in page.text()
    step(
        "segments",
        lambda: click(page, f"Annulus regions DEMONSTRATION: {contour}", twice=True),
        shows("Do you want to open this Segmentation?"),
    )
    step("segments_over_ct", lambda: click(page, "Yes", twice=False), f"!{shows('Do you want')}")


def click(page: Page, words: str, *, twice: bool) -> None:
    """Click on what has these words, once or twice."""
    assert page.value(f"{_CLICK}({json.dumps(words)}, {json.dumps(twice)})"), f"no {words!r}"


def made_objects(found: RegionsOfStudy, folder: Path) -> tuple[Path, ...]:
    """Write segmentation, report and page of a study with a made-up score."""
    segmentation = found.segmentation()
    document = patient_document(
        patient_pdf(made_page(found)),
        found.ct[0],
        MODEL,
        software_version="0.1.0",
        created_at=SCORED_AT,
        sop_instance_uid=derived_uid("viewer", "page"),
        series_instance_uid=derived_uid("viewer", "page series"),
    )
    report = build_structured_report(
        found.ct,
        found.rtstruct,
        RoiReference(1, found.study.gtv.name),
        RISK,
        MODEL,
        software_version="0.1.0",
        warnings=(),
        created_at=SCORED_AT,
        sop_instance_uid=derived_uid("viewer", "report"),
        series_instance_uid=derived_uid("viewer", "report series"),
        center="B",
        performance=NOT_VALIDATED,
        shown=replace(found.shown, segmentation=segmentation),
        page=document,
    )
    written = []
    for name, dataset in (("seg", segmentation), ("sr", report), ("pdf", document)):
        write_dicom(dataset, folder / f"{name}.dcm")
        written.append(folder / f"{name}.dcm")
    return tuple(written)


def made_page(found: RegionsOfStudy) -> PatientPage:
    """Return a page with a made-up score over the real regions."""
    days = tuple(float(day) for day in range(10, 1200, 10))
    patient, cutoff = (
        tuple(np.exp(-np.exp(predictor) * np.asarray(days) / 1100).tolist())
        for predictor in (RISK.linear_predictor, 0.0)
    )
    horizons = tuple(sorted(RISK.survival.items()))
    return PatientPage(
        who=(("Patient", str(found.ct[0].PatientName)), ("ID", str(found.ct[0].PatientID))),
        mark="Demonstration model, not for clinical use.",
        intended_use=MODEL.intended_use,
        scored_at=datetime(2026, 3, 4, 5, 6, tzinfo=UTC),
        risk=RISK,
        cutoff=0.0,
        survival=PredictedSurvival(days, patient, cutoff, horizons, high_risk=True),
        pictures=region_pictures(
            CtPlanes.through(found.study.volume, found.study.drawn),
            found.study.gtv_mask,
            [found.regions[Region.RING_6MM].mask.whole()],
        ),
        region_facts=tuple(
            (one.label, f"{found.regions[one.region].measured_mm3 / 1000:.2f} cm3")
            for one in found.segments
        ),
        parts=(ScorePart("A made-up score", "", RISK.linear_predictor),),
        warnings=(),
        certainty="Not known.",
        performance=NOT_VALIDATED,
        origin=(("Model", MODEL.name),),
    )


def program(name: str) -> str:
    """Return where a program is, or end with a sentence."""
    return shutil.which(name) or sys.exit(f"{name} is not installed")


if __name__ == "__main__":
    sys.exit(main())
