"""One opened installation: settings, registry, feature store and frozen model, once per process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from pydicom import config

from dicom_node.archive.key_check import check_key
from dicom_node.center import Center, ReturnedObject
from dicom_node.registry.registry import Registry, open_registry
from dicom_node.settings import SettingsError, pseudonym_key
from feature_store.tables.store import FeatureStore
from feature_store.wording import counted
from flows.named_versions import newest_named_versions, readable_named_versions
from flows.settings import Settings
from models.bundle.frozen_bundle import FrozenBundle, load


@dataclass(frozen=True)
class Installation:
    """What every flow works with.

    Parameters
    ----------
    settings : Settings
        The validated settings file.
    store_versions : mapping of str to int, optional
        Versions of the feature store's tables that are read; by default the newest at each reading.
    """

    settings: Settings
    store_versions: Mapping[str, int] | None = None

    @cached_property
    def registry(self) -> Registry:
        """The registry of the DICOM node."""
        return open_registry(self.settings.node)

    def pseudonym_key(self) -> bytes:
        """Return the key of the pseudonyms, which is that of the archive.

        Raises
        ------
        SettingsError
            If there is none.
        ArchiveError
            If the archive was made with another one.
        """
        key = pseudonym_key()
        check_key(self.settings.node.folder, key)
        return key

    @cached_property
    def store(self) -> FeatureStore:
        """The feature store."""
        newest = FeatureStore(
            self.settings.store_location(),
            known_versions=lambda: newest_named_versions(self.settings),
            named_versions=lambda: readable_named_versions(self.settings),
        )
        return newest if self.store_versions is None else newest.pinned(self.store_versions)

    @cached_property
    def bundle(self) -> FrozenBundle:
        """The frozen model that the settings pin.

        Raises
        ------
        SettingsError
            If no bundle or no digest is set.
        BundleError
            If the bundle is missing, changed, or not the pinned one.
        """
        model = self.settings.model
        if model.bundle is None or model.digest is None:
            raise SettingsError(
                "No frozen model is pinned: give both bundle and digest in the [model] table of "
                "the settings file (python -m models verify FOLDER prints the digest)."
            )
        bundle = load(model.bundle, model.digest, model.engine)
        if not bundle.facts.made_elsewhere:
            bundle.check_extraction(self.settings.extraction().digest)
        return bundle

    def reading_now(self) -> Installation:
        """Return this installation with the feature store as it is now, whatever is written
        meanwhile; what it reads is on the disk.
        """
        return self.reading(self.store.durable_versions())

    def reading(self, versions: Mapping[str, int]) -> Installation:
        """Return this installation with the feature store as it was at these versions."""
        return replace(self, store_versions=versions)

    def with_model(self, digest: str | None) -> Installation:
        """Return this installation with the bundle of that digest pinned instead: the one pinned,
        or an earlier one.

        Parameters
        ----------
        digest : str or None
            The digest or its beginning; `None` for the pinned bundle.

        Raises
        ------
        SettingsError
            If the settings pin no such bundle, or several.
        """
        model = self.settings.model
        if digest is None or (model.digest or "").startswith(digest):
            return self
        found = [known for known in model.earlier if known.startswith(digest)]
        if len(found) != 1:
            pinned = [one[:12] for one in (model.digest, *model.earlier) if one]
            known = f"expected one of {', '.join(pinned)}, or " if pinned else ""
            raise SettingsError(
                f"The settings pin {counted(len(found), 'bundle') if found else 'no bundle'} with "
                f"the digest {digest[:12]}: {known}add it to model.earlier."
            )
        table = model.model_copy(update={"digest": found[0], "bundle": model.earlier[found[0]]})
        return replace(self, settings=self.settings.model_copy(update={"model": table}))

    def center(self, name: str) -> Center:
        """Return the centre called `name`.

        Raises
        ------
        SettingsError
            If the settings file has no such centre.
        """
        centers = {center.name: center for center in self.settings.centers()}
        if name not in centers:
            raise SettingsError(
                f"The settings file has no centre {name}: it has {', '.join(centers) or 'none'}."
            )
        return centers[name]

    def returned_file(
        self,
        center: str,
        study_key: str,
        content_digest: str,
        kind: ReturnedObject = ReturnedObject.SR,
        edition: int = 1,
    ) -> Path:
        """Return where an object on this study content by the pinned model is kept; what was scored
        again and says something else is another edition.
        """
        suffix = "" if kind is ReturnedObject.SR else f"-{kind}"
        suffix += "" if edition == 1 else f"-{edition}"
        name = f"{content_digest[:16]}-{self.bundle.digest[:16]}{suffix}.dcm"
        return self.settings.node.folder / "structured_reports" / center / study_key / name


@cache
def installation() -> Installation:
    """Open the installation that ``ANNULUS_SETTINGS`` or ``annulus.toml`` describes, once per
    process, in which pydicom quotes no values from then on.
    """
    quote_no_values()
    return Installation(Settings.load())


def quote_no_values() -> None:
    """Let pydicom say nothing of values that their VR does not allow: its warnings quote them, such
    as UIDs with leading zeros, and what names a study has no place in a log.
    """
    config.settings.reading_validation_mode = config.IGNORE
    config.settings.writing_validation_mode = config.IGNORE
