"""Numbers before plurals: where a message could say "1 slices" or "1 slice are".

A number agrees with its noun through ``counted`` and with its verb through ``are`` and ``were`` of
the packages' ``wording``, or through a choice of two words in the text itself. What is found here
does neither. Numbers that are never 1, constants (``MOST_HEADS``) and decimals (``{x:.1f}``), are
left alone, and so are quotations (``{name!r}``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.support.syntax_trees import LOG_LEVELS, last_name

_NOUNS: Final = (
    "(?:associations|bytes|centres|characters|columns|contents|contours|days|deaths|deliveries|"
    "entries|epochs|events|features|files|folds|hours|incidents|instances|items|lines|minutes|"
    "months|nights|objects|patients|people|pixels|points|records|regions|reports|resamples|rings|"
    "rows|runs|scores|seconds|sheets|slices|studies|times|tumours|values|versions|voxels|"
    "warnings|ways|years|RTSTRUCTs|ROIs|UIDs)"
)
"""What the packages count: a plural after whatever is not known to be a text."""
_ANY_PLURAL: Final = (
    r"(?!(?:is|was|has|does|as|its|us|this|plus|minus|less|across|whose|series)\b)\w+s"
)
"""What may be a plural after a number; a verb after a name would look the same."""
_ADJECTIVES: Final = (
    r"(?:(?!(?:and|or|of|in|to|the|a|an|which|that|for|from|with|at|by|not|is|has|was|if|more than|"
    r"where|but|does|as|such|had|have|are|were)\b)[A-Za-z-]+ ){0,3}?"
)
_PLURAL_VERB: Final = re.compile(r" (are|were|have|do)\b")
_OF_WHICH: Final = re.compile(r" \w[^.:;,{]*? (?:are|were|have|do)\b")
"""What follows "{n} of {total}": the verb is the number's."""
_LATER_VERB: Final = re.compile(
    r"[^.:;,{]*?(?<!that)(?<!which)(?<!who)(?<!might)(?<!mostly) (?:are|were|have)\b"
)
"""A verb of the same clause, whose subject is not a relative pronoun."""
_AGREES: Final = {"counted", "_count", "people"}
_NUMBER_NAME: Final = re.compile(r"(?:^|_)(?:n|k|count|size|total|left|deaths)$|^n_")
_NUMBER_FUNCTIONS: Final = {"len", "sum", "max", "int", "round", "abs"}
_TEXTS: Final = {"error", "missing", "name", "path", "shape", "some", "what", "which"}
"""Names of what is said and is no number."""
_HORIZONS: Final = {"days", "horizon", "first_horizon_days"}
"""What a frozen model predicts at: 365 days and more."""


@dataclass(frozen=True)
class Disagreement:
    """A number and the words after it that would be wrong for 1.

    Parameters
    ----------
    module : str
        The file, relative to the repository.
    line : int
        Where the text begins.
    text : str
        The number's expression and the words.
    """

    module: str
    line: int
    text: str


def of_module(module: str, tree: ast.Module) -> Iterator[Disagreement]:
    """Give the numbers of one module that do not agree with their words.

    Parameters
    ----------
    module : str
        What to call it.
    tree : ast.Module
        Its source.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield from (Disagreement(module, node.lineno, words) for words in _of_text(node))
        elif isinstance(node, ast.Call):
            yield from (Disagreement(module, node.lineno, words) for words in _of_log(node))


def of_template(module: str, template: str) -> Iterator[Disagreement]:
    """Give the numbers of a page's template that do not go through ``count`` or ``counted``.

    Parameters
    ----------
    module : str
        What to call it.
    template : str
        Its text.
    """
    for found in re.finditer(rf"{{{{([^{{}}]*)}}}}( {_ADJECTIVES}{_NOUNS})\b", template):
        if not re.search(r"\bcount(ed)?\(", found[1]):
            line = template.count("\n", 0, found.start()) + 1
            yield Disagreement(module, line, f"{{{found[1].strip()}}}{found[2]}")


def _of_text(text: ast.JoinedStr) -> Iterator[str]:
    parts = [ast.Constant(""), *text.values, ast.Constant(""), ast.Constant(""), ast.Constant("")]
    for before, number, after, total, end in zip(
        parts, parts[1:], parts[2:], parts[3:], parts[4:], strict=False
    ):
        if not isinstance(number, ast.FormattedValue) or not _may_be_one(number):
            continue
        found = _disagreeing(number.value, _said(before), _said(after))
        if found is None and re.fullmatch(" of (?:the )?", _said(after)):
            found = _OF_WHICH.match(_said(end)) if isinstance(total, ast.FormattedValue) else None
        if found:
            yield f"{{{ast.unparse(number.value)}}}{found[0]}"


def _disagreeing(value: ast.expr, before: str, after: str) -> re.Match[str] | None:
    if before.endswith((" x ", " to ")):  # of 1 x 5 pixels and of 1 to 5 slices there are several
        return None
    if isinstance(value, ast.Call) and last_name(value.func) in _AGREES:
        is_whole = re.search("of (the )?$", before)  # the verb is not this number's
        if is_whole:
            return None
        return _PLURAL_VERB.match(after) or _LATER_VERB.match(after)
    if _is_number(value):
        found = re.match(rf" {_ADJECTIVES}{_ANY_PLURAL}\b", after)
        return found or _PLURAL_VERB.match(after)
    is_horizon = last_name(value) in _HORIZONS and after.startswith(" days")
    if is_horizon or not isinstance(value, ast.Name | ast.Attribute | ast.Subscript):
        return None
    return re.match(rf" {_ADJECTIVES}{_NOUNS}\b", after)


def _of_log(call: ast.Call) -> Iterator[str]:
    is_log = isinstance(call.func, ast.Attribute) and call.func.attr in LOG_LEVELS
    match call.args:
        case [ast.Constant(value=str() as text), *_] if is_log:
            for found in re.finditer(rf"%d (?:{_ADJECTIVES}{_ANY_PLURAL}|are|were|have)\b", text):
                yield found[0]
        case _:
            pass


def _may_be_one(number: ast.FormattedValue) -> bool:
    """Say whether a placeholder may hold a bare 1: no quotation, decimal, constant or choice."""
    is_decimal = number.format_spec is not None and re.search(
        r"\.[1-9]\d*[fe%]", ast.unparse(number.format_spec)
    )
    names = [last_name(one) for one in ast.walk(number.value) if not isinstance(one, ast.Call)]
    is_constant = all(name.isupper() or name in _NUMBER_FUNCTIONS for name in names if name)
    return not (
        number.conversion != -1
        or is_decimal
        or is_constant
        or last_name(number.value).isupper()
        or last_name(number.value) in _TEXTS
        or isinstance(number.value, ast.Constant | ast.IfExp)
    )


def _is_number(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=func):
            return last_name(func) in _NUMBER_FUNCTIONS
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv() | ast.Div()):
            return True
        case ast.BoolOp(values=[first, *_]):
            return _is_number(first)
        case ast.Subscript(value=ast.Attribute(attr="shape")):
            return True
        case _:
            return bool(_NUMBER_NAME.search(last_name(value)))


def _said(part: ast.expr) -> str:
    return " ".join(str(part.value).split("\n")) if isinstance(part, ast.Constant) else ""
