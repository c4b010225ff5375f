"""A frozen bundle: everything that a score depends on, in one folder that cannot change unnoticed.

::

    bundle/
        manifest.json   who trained what on which data; size and SHA-256 of every other file
        model.json      the combined model
        training.json   how the training went: curve, regions compared, optimism, stability
        network.npz     the network's weights, where the model reads deep features
        network.onnx    the same network as an ONNX graph, where it was found to give the same
        combat.json     ComBat's reference, where training was asked for it
        range.json      which patients the model knows; absent in bundles of earlier releases
        digests.json    by what its training patients are recognised; absent in earlier ones

The bundle's digest is the SHA-256 of ``manifest.json``. Settings pin that digest; another bundle
does not score. JSON is canonical (sorted keys, no spaces, shortest exact numbers), so freezing the
same model again gives the same bytes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from models.bundle.facts import BundleFacts
from models.bundle.records import from_record, to_record
from models.bundle.stored_files import BundleFile, StoredNetwork, read, sha256
from models.bundle.training_digests import TrainingDigests
from models.bundle.training_evidence import TrainingEvidence
from models.combined.applicability import Applicability
from models.combined.combat import CombatReference
from models.combined.combined_model import CombinedModel
from models.durable_files import sync, write_durably
from models.errors import BundleError, FeatureMismatchError
from models.network.deep_features import DeepFeatureExtractor
from models.network.engines import Engine, Extractor
from models.network.openvino_features import OpenVinoExtractor
from models.network.weights import NetworkWeights

SCHEMA = "annulus-bundle/2"
MANIFEST, MODEL, TRAINING, NETWORK = "manifest.json", "model.json", "training.json", "network.npz"
GRAPH, COMBAT = "network.onnx", "combat.json"
RANGE, DIGESTS = "range.json", "digests.json"
_FAMILY, _, _VERSION = SCHEMA.partition("/")
_Part = TypeVar("_Part")


@dataclass(frozen=True, eq=False)
class FrozenBundle:
    """A bundle that was read and found to be what it says.

    Parameters
    ----------
    digest : str
        SHA-256 of its manifest.
    facts : BundleFacts
        What it is for and where it comes from.
    model : CombinedModel
        The model.
    network : StoredNetwork or None
        Present exactly when the model reads deep features.
    evidence : TrainingEvidence
        How the training went.
    combat : CombatReference or None
        The training centre's features, where cohorts may be aligned with them; it changes no single
        score.
    graph : BundleFile or None
        The network as an ONNX file; absent in bundles of earlier releases.
    engine : Engine
        What makes its deep features; Keras does where there is no graph.
    applicability : Applicability or None
        Which patients the model knows; `None` in bundles of earlier releases.
    digests : TrainingDigests or None
        By what its training patients are recognised; `None` in bundles of earlier releases.
    """

    digest: str
    facts: BundleFacts
    model: CombinedModel
    network: StoredNetwork | None
    evidence: TrainingEvidence = field(default_factory=TrainingEvidence)
    combat: CombatReference | None = None
    graph: BundleFile | None = None
    engine: Engine = Engine.OPENVINO
    applicability: Applicability | None = None
    digests: TrainingDigests | None = None

    @cached_property
    def deep_feature_extractor(self) -> Extractor:
        """The warm network; the first use imports the engine.

        Raises
        ------
        BundleError
            If the model has no network, or its file is no longer what was verified.
        """
        if self.network is None:
            raise BundleError(
                f"The model {self.facts.name} reads no deep features, so its bundle has no network."
            )
        if self.engine is Engine.KERAS or self.graph is None:
            return DeepFeatureExtractor(self.network.weights())
        try:
            return OpenVinoExtractor(self.graph.path)
        finally:
            self.graph.verify()  # what was read there is what the manifest lists

    def check_extraction(self, settings_digest: str) -> None:
        """Refuse features that were extracted with other settings than the model's.

        Raises
        ------
        FeatureMismatchError
            If `settings_digest` is not the model's.
        """
        expected = self.facts.extraction_settings_digest
        if settings_digest != expected:
            raise FeatureMismatchError(
                f"The features were extracted with settings {settings_digest[:12]}, but the model "
                f"{self.facts.name} was trained with settings {expected[:12]}: extract them again "
                "with the bundle's settings."
            )


def freeze(
    folder: Path,
    model: CombinedModel,
    network: NetworkWeights | None,
    facts: BundleFacts,
    evidence: TrainingEvidence | None = None,
    combat: CombatReference | None = None,
    graph: bytes | None = None,
    *,
    applicability: Applicability | None = None,
    digests: TrainingDigests | None = None,
) -> str:
    """Write a bundle, whole or not at all.

    Parameters
    ----------
    folder : Path
        Where the bundle will be; its parent must exist.
    model : CombinedModel
        The trained model.
    network : NetworkWeights or None
        Weights of the network, if the model reads deep features; otherwise they are left out.
    facts : BundleFacts
        What it is for and where it comes from.
    evidence : TrainingEvidence, optional
        How the training went.
    combat : CombatReference, optional
        The training centre's features, for cohorts that are to be aligned with them.
    graph : bytes, optional
        The network as an ONNX file, if `models.network.engines` found that it may score.
    applicability : Applicability, optional
        Which patients the model knows.
    digests : TrainingDigests, optional
        By what its training patients are recognised.

    Returns
    -------
    str
        The bundle's digest. Freezing the same again is allowed and changes nothing.

    Raises
    ------
    BundleError
        If the network is missing, or `folder` already holds something else.
    """
    if model.needs_network and network is None:
        raise BundleError(
            "The model reads deep features, but no network was given: freeze both together."
        )
    contents = {
        MODEL: canonical_json(to_record(model)),
        TRAINING: canonical_json(to_record(evidence or TrainingEvidence())),
    }
    if model.needs_network and network is not None:
        contents[NETWORK] = network.to_npz()
        if graph is not None:
            contents[GRAPH] = graph
    for name, part in ((COMBAT, combat), (RANGE, applicability), (DIGESTS, digests)):
        if part is not None:
            contents[name] = canonical_json(to_record(part))
    manifest = canonical_json(
        {
            "schema": SCHEMA,
            "facts": to_record(facts),
            "files": {
                name: {"sha256": sha256(data), "size": len(data)} for name, data in contents.items()
            },
        }
    )
    digest = sha256(manifest)
    if folder.exists():
        if read_digest(folder) != digest:
            raise BundleError(
                f"The folder {folder.name} already holds another bundle: freeze into a new folder."
            )
        load(folder, digest)
        return digest
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, data in {**contents, MANIFEST: manifest}.items():
            write_durably(partial / name, data)
        partial.chmod(0o755)
        sync(partial)
        partial.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return digest


def read_digest(folder: Path) -> str:
    """Return the digest of the bundle in `folder`, without checking its files.

    Raises
    ------
    BundleError
        If there is no manifest.
    """
    return sha256(read(folder, MANIFEST))


def load(folder: Path, pinned_digest: str, engine: Engine = Engine.OPENVINO) -> FrozenBundle:
    """Read a bundle and check every byte of it.

    Parameters
    ----------
    folder : Path
        The bundle.
    pinned_digest : str
        Digest that the settings pin.
    engine : Engine
        What is to make its deep features.

    Returns
    -------
    FrozenBundle

    Raises
    ------
    BundleError
        If the bundle is missing, of another schema, not the pinned one, or changed.
    """
    manifest = read(folder, MANIFEST)
    digest = sha256(manifest)
    if digest != pinned_digest:
        raise BundleError(
            f"The bundle in {folder.name} has digest {digest[:12]}, but {pinned_digest[:12]} is "
            "pinned: put the pinned bundle back, or pin this one after reviewing it."
        )
    record = _parse(manifest, MANIFEST)
    _check_schema(folder, record.get("schema"))
    files = _listed_files(folder, record)
    if GRAPH in files:
        files[GRAPH].verify()  # the engine reads it from there
    contents = {name: file.read() for name, file in files.items() if name not in (GRAPH, NETWORK)}
    try:
        facts = from_record(BundleFacts, record["facts"])
        model = from_record(CombinedModel, _parse(contents[MODEL], MODEL))
        evidence = from_record(TrainingEvidence, _parse(contents[TRAINING], TRAINING))
        combat = _optional(CombatReference, contents, COMBAT)
        applicability = _optional(Applicability, contents, RANGE)
        digests = _optional(TrainingDigests, contents, DIGESTS)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"The bundle in {folder.name} does not hold a usable model: freeze it again."
        ) from error
    network = StoredNetwork.of(files[NETWORK]) if NETWORK in files else None
    if model.needs_network != (network is not None) or (network is None and GRAPH in files):
        raise BundleError(
            f"The bundle in {folder.name} and its model disagree on the network: freeze it again."
        )
    return FrozenBundle(
        digest,
        facts,
        model,
        network,
        evidence,
        combat,
        files.get(GRAPH),
        engine,
        applicability,
        digests,
    )


def canonical_json(record: Mapping[str, Any]) -> bytes:
    """Return JSON with sorted keys, no spaces and shortest exact numbers; NaN and infinity are
    refused.
    """
    text = json.dumps(
        record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode() + b"\n"


def _optional(kind: type[_Part], contents: Mapping[str, bytes], name: str) -> _Part | None:
    """Return a part that not every bundle has."""
    return from_record(kind, _parse(contents[name], name)) if name in contents else None


def _check_schema(folder: Path, found: object) -> None:
    family, _, version = str(found).partition("/")
    if found == SCHEMA:
        return
    if family != _FAMILY or not version.isdecimal():
        raise BundleError(
            f"The manifest in {folder.name} has schema {found!r}, but this software reads "
            f"{SCHEMA!r}: it is not a bundle of this software, so give the folder that training "
            "froze."
        )
    if int(version) < int(_VERSION):
        raise BundleError(
            f"The bundle in {folder.name} has schema {found!r}, older than the {SCHEMA!r} that "
            "this software reads: train and freeze it again, or use the software version that "
            "froze it."
        )
    raise BundleError(
        f"The bundle in {folder.name} has schema {found!r}, newer than the {SCHEMA!r} that this "
        "software reads: update this software."
    )


def _listed_files(folder: Path, record: Mapping[str, Any]) -> dict[str, BundleFile]:
    listed = record.get("files")
    if not isinstance(listed, dict) or not {MODEL, TRAINING} <= set(listed) <= {
        MODEL,
        TRAINING,
        NETWORK,
        GRAPH,
        COMBAT,
        RANGE,
        DIGESTS,
    }:
        raise BundleError(
            f"The manifest of {folder.name} does not list {MODEL} and {TRAINING}: freeze the "
            "bundle again."
        )
    present = {path.name for path in folder.iterdir()} - {MANIFEST}
    if extra := present - set(listed):
        raise BundleError(
            f"The bundle in {folder.name} holds {min(extra)}, which its manifest does not list: "
            "remove it."
        )
    return {name: BundleFile.listed(folder, name, entry) for name, entry in sorted(listed.items())}


def _parse(content: bytes, name: str) -> dict[str, Any]:
    try:
        record = json.loads(content)
    except ValueError as error:
        raise BundleError(f"The bundle's {name} is not JSON: put the original back.") from error
    if not isinstance(record, dict):
        raise BundleError(f"The bundle's {name} is not a JSON object: put the original back.")
    return record
