"""A text of one value as its sender wrote it."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue


def text_as_sent(dataset: Dataset, keyword: str) -> str:
    r"""Return a text that has one value, empty where it is absent.

    A backslash parts values (PS3.5 section 6.2), and some systems write one into an attribute that
    has a single value, such as two orders into Accession Number (0008,0050): ``A1\A2``. Read as
    pydicom reads it, this is a list, whose text no PACS would know again.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    keyword : str
        Keyword of an attribute of a text VR with a value multiplicity of 1.
    """
    value = dataset.get(keyword)
    return "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value or "")
