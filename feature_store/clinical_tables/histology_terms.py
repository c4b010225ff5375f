"""Histology in the words and codes that tables use for it: free text, ICD-O-3 and OncoTree.

References
----------
.. [1] ICD-O-3, second revision, morphology of tumours of the lung.
.. [2] WHO Classification of Tumours, Thoracic Tumours, 5th edition, 2021.
"""

from __future__ import annotations

import re

from feature_store.clinical_records import Histology
from feature_store.clinical_tables.sheet import Cell, code_of

_ADENO = frozenset(
    {8140, 8141, 8143, 8144, 8211, 8230, *range(8250, 8258), 8260, 8265, 8310, 8323, 8333, 8470,
     8480, 8481, 8490, 8507, 8550, 8551, 8570, 8571, 8572, 8574}
)  # fmt: skip
_SQUAMOUS = frozenset({8051, 8052, *range(8070, 8077), 8078, 8083, 8084, 8094, 8123})
_LARGE_CELL = frozenset({8012, 8014})
_NOS = frozenset({8010, 8046})
_FIRST_MORPHOLOGY, _LAST_MORPHOLOGY = 8000, 9992
_CODE = re.compile(r"\bm?-? ?([89]\d{3})(?:/?([0-9]))?\b", re.IGNORECASE)

_NEUTRAL_WORDS = """
    nos lung pulmonary bronchial bronchogenic of the carcinoma ca cancer cell cells tumor tumour
    primary invasive type well moderately poorly differentiated
    grade
    g1 g2 g3 keratinizing keratinising nonkeratinizing nonkeratinising with predominant pattern
    lepidic acinar papillary micropapillary solid mucinous nonmucinous and in situ
    carcinome karzinom karcinom carcinom rak cellule células celulas de a à du del della do der
    pulmón pulmonar poumon pulmonaire pulmão polmone polmonare lunge płuca"""
_SAYS_NOTHING = frozenset(_NEUTRAL_WORDS.split())
"""Words that do not change which of the types is meant."""
_WORDS_FOR: dict[Histology, tuple[str, ...]] = {
    Histology.ADENOCARCINOMA: (
        "adenocarcinoma", "adeno", "adenoca", "adenoc", "adc", "adca", "luad", "adenocarcinomas",
        "adenokarzinom", "adénocarcinome", "adenocarcinome", "adenocarcinoom", "adenocarcinom",
        "adenokarcinom", "gruczolakorak", "gruczołowy", "腺癌", "bronchioloalveolar", "bac",
        "bronchiolo alveolar",
    ),
    Histology.SQUAMOUS: (
        "squamous", "squamouscell", "scc", "sqcc", "sqc", "lusc", "lscc", "epidermoid",
        "plattenepithelkarzinom", "plattenepithel", "plaveiselcelcarcinoom", "épidermoïde",
        "epidermoïde", "epidermoide", "escamoso", "escamosas", "espinocelular", "squamoso",
        "squamose", "squamocellulare", "płaskonabłonkowy", "鳞癌", "鱗癌", "鳞状细胞癌",
        "鱗狀細胞癌", "扁平上皮癌",
    ),
    Histology.LARGE_CELL: ("large", "largecell", "lcc", "lclc"),
    Histology.NOS: ("nsclc", "non small", "nonsmall", "nsclc non small"),
    Histology.OTHER: (
        "other", "others", "small", "sclc", "combined small", "carcinoid", "typical carcinoid",
        "atypical carcinoid", "neuroendocrine", "large neuroendocrine", "lcnec", "adenosquamous",
        "luas", "squamous adenocarcinoma", "squamous adeno", "sarcomatoid", "pleomorphic",
        "carcinosarcoma", "spindle", "giant", "sarcoma", "lymphoma", "mesothelioma", "metastasis",
        "mixed", "adenoid cystic", "mucoepidermoid", "lymphoepithelial",
    ),
}  # fmt: skip
_TERMS = {
    frozenset(words.split()): histology
    for histology, terms in _WORDS_FOR.items()
    for words in terms
}
_GENERAL = ({"nsclc"}, {"non", "small"}, {"nsclc", "non", "small"})


def read_histology(cell: Cell) -> Histology | None:
    """Return the histology that a cell says; `None` where it is not understood, or says two.

    A code and words beside it must mean the same. Words of doubt, such as *probably*, are not
    understood.
    """
    text = code_of(cell)
    text = re.sub(r"not otherwise specified|\bn\.o\.s\b\.?", "nos", text)
    found = _CODE.findall(text)
    rest = _CODE.sub(" ", text) if found else text
    coded = {_coded(int(code), behaviour) for code, behaviour in found}
    if len(coded) > 1:
        return None
    rest = re.sub(r"\b(?:g|grade )[1-4x]\b", " ", re.sub(r"\bnon[- ](?=keratin|muc)", "non", rest))
    words = re.findall(r"[^\W\d_]+|\d+", rest)
    if re.search(r"[?/]", rest):
        return None
    if not coded:
        return _worded(words)
    code = coded.pop()
    if not [word for word in words if word not in {"icd", "o", "m", "3", "icdo"}]:
        return code
    return code if _worded(words) in {code, Histology.NOS} else None


def _coded(code: int, behaviour: str) -> Histology | None:
    if behaviour not in {"", "3", "2"} or not _FIRST_MORPHOLOGY <= code <= _LAST_MORPHOLOGY:
        return None
    if behaviour == "2":  # in situ is not among what the model is for
        return Histology.OTHER
    for codes, histology in (
        (_ADENO, Histology.ADENOCARCINOMA),
        (_SQUAMOUS, Histology.SQUAMOUS),
        (_LARGE_CELL, Histology.LARGE_CELL),
        (_NOS, Histology.NOS),
    ):
        if code in codes:
            return histology
    return Histology.OTHER


def _worded(words: list[str]) -> Histology | None:
    if "situ" in words:
        return Histology.OTHER
    core = frozenset(word for word in words if word not in _SAYS_NOTHING)
    if not core:
        return Histology.NOS if "nos" in words else None
    for general in _GENERAL:
        if general < core:
            core -= general
    return _TERMS.get(core)
