"""Scoring, extracting and explaining a study open each of its files once, as the flows really do
it, and none of them starts TensorFlow.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dicom_node.settings import PSEUDONYM_KEY_VARIABLE, SETTINGS_VARIABLE
from tests.support.archived_studies import archive_study
from tests.support.fresh_interpreter import printed_by
from tests.support.intake_bench import KEY
from tests.support.synthetic_studies import write_study

pytestmark = pytest.mark.slow

COUNTED = """
import json, os, sys
from collections import Counter

counts = Counter()

def count(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
        counts[os.path.abspath(arguments[0])] += 1

sys.addaudithook(count)
from flows.studies.explain_study import explain_study
from flows.studies.score_study import extract_study, score_study

flow = {"score": score_study, "extract": extract_study, "explain": explain_study}[sys.argv[1]]
state = flow(*sys.argv[2:], return_state=True)
heavy = {"tensorflow", "keras", "onnx", "lifelines", "matplotlib"}
print(
    json.dumps(
        {
            "name": state.name,
            "message": state.message,
            "counts": counts,
            "heavy": sorted(heavy & set(sys.modules)),
        }
    )
)
"""


@pytest.mark.parametrize(
    ("flow", "center", "name"),
    [("score", "B", "Scored"), ("extract", "A", "Extracted"), ("explain", "B", "Completed")],
)
def test_each_file_is_opened_once(
    flow: str,
    center: str,
    name: str,
    tmp_path: Path,
    prefect_port: int,
    bundle: tuple[Path, str],
) -> None:
    folder = tmp_path / "node"
    (tmp_path / "annulus.toml").write_text(
        f"[node]\nfolder = '{folder}'\n[model]\nbundle = '{bundle[0]}'\ndigest = '{bundle[1]}'\n"
        "[center.A]\nae_titles = ['A']\nrole = 'training'\n[center.B]\nae_titles = ['B']\n"
    )
    files = write_study(tmp_path / "study", "P")
    arguments = [flow, archive_study(folder, files, center)]
    if flow == "explain":
        arguments.append(str(tmp_path / "map.dcm"))
    printed = printed_by(
        COUNTED,
        *arguments,
        environment={
            PSEUDONYM_KEY_VARIABLE: KEY.decode(),
            SETTINGS_VARIABLE: str(tmp_path / "annulus.toml"),
            "PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        timeout_s=1200,
    )
    ended = json.loads(printed[-1])
    assert ended["name"] == name, ended["message"]
    archived = {str(path) for path in (folder / "archive").rglob("*.dcm")}
    assert len(archived) == len(files)
    assert {path: ended["counts"].get(path, 0) for path in archived} == dict.fromkeys(archived, 1)
    assert ended["heavy"] == []
