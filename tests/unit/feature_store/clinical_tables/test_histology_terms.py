"""Histology in words and codes: meant, another, or not understood."""

from __future__ import annotations

import pytest

from feature_store.clinical_records import Histology
from feature_store.clinical_tables.histology_terms import read_histology

MEANT = {
    Histology.ADENOCARCINOMA: (
        "adenocarcinoma", "Adenocarcinoma, NOS", "adeno", "LUAD", "8140/3", "8140", "81403",
        "M8140/3", "ICD-O-3: 8140/3", "8250/3", "Lung Adenocarcinoma", "Adenocarcinoma G2",
        "Adenocarcinoma, grade 3", "NSCLC, adenocarcinoma", "invasive mucinous adenocarcinoma",
        "adenocarcinoma of the lung, not otherwise specified", "8140/3 Adenocarcinoma, NOS",
        "Poorly differentiated adenocarcinoma",
    ),
    Histology.SQUAMOUS: (
        "squamous", "Squamous Cell  Carcinoma", "SCC", "SqCC", "LUSC", "8070/3", "8071/3",
        "Squamous cell carcinoma, keratinizing, NOS (8071/3)", "epidermoid carcinoma",
        "non-keratinizing squamous cell ca", "Plattenepithelkarzinom",
    ),
    Histology.LARGE_CELL: ("large cell", "Large cell carcinoma", "8012/3", "LCC"),
    Histology.NOS: (
        "nos", "NSCLC", "NSCLC-NOS", "8046/3", "Non-small cell carcinoma, NOS", "carcinoma n.o.s.",
        "non small cell lung cancer",
    ),
    Histology.OTHER: (
        "other", "small cell", "SCLC", "8041/3", "adenosquamous carcinoma", "8560/3", "8013/3",
        "large cell neuroendocrine carcinoma", "carcinoid", "adenocarcinoma in situ", "8140/2",
        "adenocarcinoma with squamous cell carcinoma",
    ),
}  # fmt: skip
NOT_UNDERSTOOD = (
    "adenocarcinoma?", "probable adenocarcinoma", "not adenocarcinoma", "no adenocarcinoma",
    "non-squamous", "adeno/squamous", "8140/6", "Adenocarcinoma (8070/3)", "8140/3 8070/3", "C34.1",
    "carcinoma", "lung", "1", "7", "Jansen",
)  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "meant"), [(cell, meant) for meant, cells in MEANT.items() for cell in cells]
)
def test_words_and_codes_that_are_understood(cell: str, meant: Histology) -> None:
    assert read_histology(cell) is meant


@pytest.mark.parametrize("cell", NOT_UNDERSTOOD)
def test_doubt_and_contradiction_are_not_understood(cell: str) -> None:
    assert read_histology(cell) is None


def test_a_code_may_be_a_number() -> None:
    assert read_histology(8140.0) is Histology.ADENOCARCINOMA
