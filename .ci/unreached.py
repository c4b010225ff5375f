"""Fails when the product holds code that nothing of the product reaches, whatever the tests do.

Vulture looks for the name of every function, class, method, attribute and field of the packages in
all of their other code. Beside what it sees count the names that page templates read, the facts
that rule tables judge, and the keywords of DICOM (PS3.6), which pydicom turns into data elements;
what else is reached without being named is in the list below, with the reason. An entry that is no
longer needed is an error.
"""

import ast
import re
import sys
from pathlib import Path

from pydicom.datadict import keyword_dict
from vulture import Vulture

PACKAGES = ("dicom_node", "feature_store", "models", "validation_reports", "flows", "deploy")
MIN_CONFIDENCE = 60

# pydantic calls the validators, SQLAlchemy the listeners
CALLED_DECORATORS = ["@field_validator", "@model_validator", "@event.listens_for"]

REACHED_BY_NAME = {
    "pydantic reads or calls it": "model_config settings_customise_sources",
    "SQLAlchemy reads or calls it": "impl cache_ok process_bind_param process_result_value "
    "coerce_compared_value "
    "isolation_level",
    "http.server reads or calls it": "do_GET handle_error log_message server_version sys_version "
    "daemon_threads",
    "uvicorn reads it": "should_exit",
    "numpy reads it": "writeable",
    "pynetdicom reads it": "acse_timeout connection_timeout dimse_timeout network_timeout "
    "LOG_REQUEST_IDENTIFIERS LOG_RESPONSE_IDENTIFIERS",
    "pydicom reads it": "is_implicit_VR reading_validation_mode writing_validation_mode",
    "Great Expectations reads it": "progress_bars",
    "Prefect looks there for the pages of its second UI": "__ui_v2_static_path__",
    "Prefect's server calls it": "before_transition",
    "Prefect makes the log of a run of it": "Console",
    "Prefect reads a flow's parameters there": "__signature__",
    "Prefect reads a deployment's form there": "_parameter_openapi_schema",
    "copy.deepcopy calls it": "__deepcopy__",
    "the with statement passes it": "trace",
    "Region.ring makes it of the width that the settings ask for": "RING_3MM RING_9MM",
    "written to a bundle's model.json": "n_unusable",
    "stands in figures.json of before": "PARTLY",
    "column of the registry, kept for who looks into it": "first_at",
    "documents a row of the table of answers (PS3.4)": "clause",
}


def main() -> int:
    """Print a line for each unreached name and each unneeded entry; return the exit code."""
    root = Path(__file__).resolve().parent.parent
    vulture = Vulture(ignore_decorators=CALLED_DECORATORS)
    vulture.scavenge(root / package for package in PACKAGES)
    vulture.used_names.update(keyword_dict)
    for template in (root / "validation_reports").rglob("*.j2"):
        for code in re.findall(r"\{[{%].+?[}%]\}", template.read_text(encoding="utf-8"), re.DOTALL):
            vulture.used_names.update(re.findall(r"\w+", code))
    for rules in (root / "feature_store").rglob("*_rules.py"):
        vulture.used_names.update(_columns(rules))
    found = vulture.get_unused_code(MIN_CONFIDENCE)
    known = {name for names in REACHED_BY_NAME.values() for name in names.split()}
    lines = [
        f"{one.filename.relative_to(root)}:{one.first_lineno}: {one.message}: nothing of the "
        "product reaches it; remove it, or move it to the tests"
        for one in found
        if one.name not in known
    ]
    lines += [
        f".ci/unreached.py: {name} is reached or gone: take it off the list"
        for name in sorted(known - {one.name for one in found})
    ]
    print("\n".join(lines) or "every name of the product is reached by the product")
    return 1 if lines else 0


def _columns(rules: Path) -> set[str]:
    """Return the facts that the rows of a rule table judge, which they name as their second
    argument.
    """
    return {
        call.args[1].value
        for call in ast.walk(ast.parse(rules.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and len(call.args) > 1
        and isinstance(call.args[1], ast.Constant)
        and isinstance(call.args[1].value, str)
    }


if __name__ == "__main__":
    sys.exit(main())
