"""The flow `import-clinical`: a centre's clinical CSV into the feature store, pseudonymised on the way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from dicom_node.pseudonym import patient_key
from dicom_node.settings import pseudonym_key
from feature_store.clinical import read_clinical_csv
from feature_store.errors import FeatureStoreError
from feature_store.expectations import Severity, check_clinical
from feature_store.suite_record import keep, new_record
from flows.installation import installation
from flows.settings import software_version


@flow(name="import-clinical", flow_run_name="{center}")
def import_clinical(center: str, csv: str) -> State[None]:
    """Read the clinical table of one centre.

    Parameters
    ----------
    center : str
        The centre's name in the settings file.
    csv : str
        Path of the CSV file; its columns are described in ``deploy/clinical-table.md``.
    """
    work = installation()
    name, key = work.center(center).name, pseudonym_key()
    try:
        table = read_clinical_csv(Path(csv), name, lambda patient_id: patient_key(key, name, patient_id))
    except FeatureStoreError as error:
        get_run_logger().error(str(error))
        return Failed(name="Refused", message=str(error))
    findings = check_clinical(table.records)
    keep(
        work.settings.node.folder,
        new_record("clinical", name, findings, datetime.now(UTC), software_version(), n=len(table.records)),
    )
    critical = " ".join(finding.sentence for finding in findings if finding.severity is Severity.CRITICAL)
    for sentence in [*(sentence for _, sentence in table.rejected), *(finding.sentence for finding in findings)]:
        get_run_logger().warning(sentence)
    if critical:
        return Failed(name="Refused", message=critical)
    work.store.put_clinical(table)
    return Completed(
        message=f"{len(table.records)} patients of centre {name} imported, {len(table.rejected)} rows rejected"
    )
