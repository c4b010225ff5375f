"""How numbers of things are written in a sentence."""

from __future__ import annotations


def counted(n: float, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun in the right form: ``1 slice``, ``3 slices``, ``2 studies``.

    Parameters
    ----------
    n : float
        The number, of which six digits are shown where it is not whole.
    noun : str
        What is counted, in the singular.
    plural : str, optional
        Its plural, where that is not the singular with an s.
    """
    number = int(n) if float(n).is_integer() else f"{n:g}"
    return f"{number} {noun if n == 1 else plural or f'{noun}s'}"
