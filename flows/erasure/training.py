"""Which bundles a person's data trained, and that they say so without being changed: in a file
beside the bundle's folder, which its model card reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from feature_store.errors import FeatureStoreError
from flows.erasure.places import bundles
from flows.installation import Installation
from models.bundle.erased_patients import note_erased
from models.bundle.frozen_bundle import FrozenBundle, load, read_digest
from models.errors import ModelError


def bundles_trained_on(
    work: Installation, center: str, patients: Collection[str]
) -> tuple[str, ...]:
    """Return the digests of the bundles that a person was trained on: those of the centre whose
    versions of the store have both features and outcome of the person.
    """
    found = []
    for folder in bundles(work):
        try:
            bundle = load(folder, read_digest(folder))
        except ModelError:
            continue  # what is no bundle of this software, or damaged, trains nothing here
        if bundle.facts.training_center == center and _was_in(work, bundle, patients):
            found.append(bundle.digest)
    return tuple(sorted(set(found)))


def note_in_bundles(work: Installation, digests: Collection[str], erasure: str) -> int:
    """Write beside each bundle that one more of its training patients was erased; return how many
    bundles there are.
    """
    noted = 0
    for folder in bundles(work):
        try:
            digest = read_digest(folder)
        except ModelError:
            continue
        if digest in digests:
            note_erased(folder, digest, erasure)
            noted += 1
    return noted


def _was_in(work: Installation, bundle: FrozenBundle, patients: Iterable[str]) -> bool:
    wanted = set(patients)
    versions = dict(bundle.facts.store_versions)
    try:
        store = work.store.pinned(versions)
        of_radiomics, of_imported, of_clinical = (
            {str(row["patient_key"]) for row in store.rows(table, {}, ["patient_key"]).to_pylist()}
            for table in ("radiomics", "imported_features", "clinical")
        )
    except FeatureStoreError:  # the bundle was trained from another store, or on versions that went
        marks = work.store.rows_in_any_version("images", list(wanted))
        mine = {str(one) for row in marks for one in row["pixels"] or ()}
        if bundle.digests is not None:
            mine |= set(bundle.digests.salted(mine))
        known = (*bundle.evidence.images, *(bundle.digests.pixels if bundle.digests else ()))
        return any(not mine.isdisjoint(images) for images in known)
    return bool(wanted & (of_radiomics | of_imported) & of_clinical)
