"""Every message of the packages keeps the house's voice, and a message that does not is found."""

from __future__ import annotations

import ast
import re
from typing import Final

import pytest

from tests.message_list import Kind, Message, collected, main, of_module
from tests.number_agreement import of_module as disagreements_of
from tests.number_agreement import of_template
from tests.support import ROOT
from tests.support.syntax_trees import trees_of

# A capital, a number, a value that is named first, or a key of the settings as it is written
_BEGINS: Final = re.compile(r"[A-Z0-9{<\"'`\[(…-]|[a-z]+[A-Z_=./]|(?:engine|wavelet) is ")
_ENDS: Final = re.compile(r"[.?!:…]$|[.?]\)$")
_ENDS_IN_A_SENTENCE: Final = re.compile(r"[.?] ?\{[^{}]*\}$")
_CARRIES_A_SENTENCE: Final = re.compile(
    r"\{(error|sentence|told|mend|meant|said|done|unfinished|unknown)\}$"
)
_SHORT_OF_PLURAL: Final = re.compile(r"[a-z]\((?:s|es|ies)\)")
_TWO_SPACES: Final = re.compile(r"\S  \S")
_PRIVATE: Final = re.compile(
    r"\b(?:guest|patience|last words|in spite of:|mend and push again|hangs on|for whom not"
    r"|no name that is|lives? differently|performance less optimism|is no text)\b",
    re.IGNORECASE,
)
_FRAGMENTS: Final = {
    "dicom_node/datasets/manifest_scan.py": "what there are too many of, which its error names",
    "feature_store/tables/table_folder.py": "the words of the system's own error number",
    "deploy/__main__.py": "rows of the table that `make status` prints",
    "deploy/demo/__main__.py": "rows of the table that the demonstration ends with",
    "flows/commands/query.py": "the line of a table that says from which versions it was read",
}
"""Modules that print a table, or make a part of a sentence that is whole where it is raised."""
_FRAGMENT: Final = re.compile(
    r"frames of reference$|of its ROIs and series$|Not a directory$|\{[^{}]*\}[)\]]?$|^[\w ]+: none"
    r"|^What happened$|last end$|/runs(?: \(.*\))?$|/received$|with \{row\} deaths$|clinical use$"
    r"|\(does not answer now\)$|\(log: \{log\}\)$"
)
_NEVER_ONE: Final = {
    ("feature_store/expectations/follow_up_rules.py", "{f.n} survival times"): (
        "fewer than three times are not said to be equal"
    ),
    (
        "feature_store/imaging/acquisition_rules.py",
        "{f.matrix} pixels",
    ): "a text, such as 512 x 512",
    ("feature_store/imaging/ct_rules.py", "{f.n_frames_of_reference} Frames"): (
        "only several break the rule"
    ),
    ("deploy/demo/cohort.py", "{slices} mm slices"): "a list of millimetres",
}
"""Numbers before plurals that are no number, or never 1."""


def _faults(message: Message) -> list[str]:
    text = " ".join(message.text.split())
    found = []
    is_fragment = message.module in _FRAGMENTS and _FRAGMENT.search(text)
    if message.kind is not Kind.HELP and not is_fragment:
        if not _BEGINS.match(text):
            found.append("it does not begin with a capital")
        is_data = message.kind is Kind.PRINTED and text.endswith(("}", "]"))
        if not (
            _ENDS.search(text)
            or _ENDS_IN_A_SENTENCE.search(text)
            or _CARRIES_A_SENTENCE.search(text)
            or is_data
        ):
            found.append("it does not end with a full stop")
    if _SHORT_OF_PLURAL.search(re.sub(r"\{[^{}]*\}", "", text)):
        found.append("it says (s) instead of agreeing with its number: feature_store.wording")
    if _TWO_SPACES.search(message.text) and message.kind is not Kind.PRINTED:
        found.append("it has two spaces")
    if word := _PRIVATE.search(text):
        found.append(f"{word[0]!r} is no word of the field")
    return found


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    return collected()


@pytest.mark.slow
def test_every_message_is_a_sentence_in_the_words_of_the_field(messages: list[Message]) -> None:
    wrong = [
        f"{one.module}:{one.line}: {fault}: {one.text}"
        for one in messages
        for fault in _faults(one)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_the_list_has_messages_of_every_kind_and_package(messages: list[Message]) -> None:
    assert len(messages) > 1000
    assert {one.kind for one in messages} == set(Kind)
    assert len({one.module.partition("/")[0] for one in messages}) == 6
    texts = {one.text for one in messages}
    assert "The CT has {n_slices slice…}, expected at least 2. Send the whole series." in texts
    assert "Disk almost full, send again later." in texts


@pytest.mark.slow
def test_every_exception_is_still_needed(messages: list[Message]) -> None:
    assert set(_FRAGMENTS) == {
        one.module
        for one in messages
        if one.module in _FRAGMENTS and _FRAGMENT.search(" ".join(one.text.split()))
    }


@pytest.mark.slow
def test_numbers_agree_with_their_words() -> None:
    found = {
        (one.module, one.text): one
        for module, tree in trees_of().items()
        for one in disagreements_of(module, tree)
    }
    wrong = [one for key, one in found.items() if key not in _NEVER_ONE]
    assert not wrong, "\n".join(
        f"{one.module}:{one.line}: {one.text}: 1 of them would be said wrongly; write counted(...) "
        "and are(...) of the package's wording"
        for one in wrong
    )
    assert set(_NEVER_ONE) <= set(found)


def test_numbers_in_templates_agree_with_their_words() -> None:
    templates = list(ROOT.glob("*/*/templates/*.j2"))
    assert len(templates) > 10
    wrong = [
        one
        for file in templates
        for one in of_template(file.name, file.read_text(encoding="utf-8"))
    ]
    assert not wrong, wrong


def test_a_planted_number_of_a_template_is_found() -> None:
    (found,) = of_template("p", "<p>\n{{ n }} missing slices, {{ count(n, 'slice') }} lie</p>")
    assert (found.line, found.text) == (2, "{n} missing slices")


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ('f"{len(x)} studies"', "{len(x)} studies"),
        ('f"The {len(x)} missing CT slices"', "{len(x)} missing CT slices"),
        ('f"{sum(x)} zebras"', "{sum(x)} zebras"),
        ('f"{found.several} patients"', "{found.several} patients"),
        ('f"{days[0]:g} deaths"', "{days[0]} deaths"),
        ('f"{n} were erased"', "{n} were"),
        ("f\"{counted(n, 'slice')} are missing\"", "{counted(n, 'slice')} are"),
        (
            "f\"{counted(n, 'file')} older than a day are gone\"",
            "{counted(n, 'file')} older than a day are",
        ),
        ("f\"{counted(n, 'file')} that are gone\"", None),
        ('f"{lost} of the {m} patients at centre A were"', "{lost} patients at centre A were"),
        ('f"{lost} of the {m} patients of A are lost"', "{lost} patients of A are"),
        ('_log.info("%d slices wait.", n)', "%d slices"),
        ('_log.info("%s and %d were sent.", a, n)', "%d were"),
        ("f\"{counted(n, 'slice')} {are(n)} missing\"", None),
        ("f\"{lost} of {counted(n, 'slice')} {are(lost)} missing\"", None),
        ("f\"The images of {counted(n, 'patient')} are kept\"", None),
        ('f"{x:.1f} days"', None),
        ('f"{MOST_HEADS} elements"', None),
        ('f"{name!r} studies"', None),
        ('f"{len(x)} of them"', None),
        ('f"{rows} x {columns} pixels"', None),
    ],
)
def test_a_planted_number_is_found_where_it_disagrees(source: str, fault: str | None) -> None:
    found = [one.text for one in disagreements_of("planted.py", ast.parse(source))]
    assert (fault in found) if fault else not found, found


@pytest.mark.slow
def test_error_comments_fit_their_element(messages: list[Message]) -> None:
    comments = [
        one.text
        for one in messages
        if (one.module, one.kind) == ("dicom_node/intake/refusals.py", Kind.SENTENCE)
    ]
    assert len(comments) >= 12
    assert max(map(len, comments)) <= 64  # PS3.5 section 6.2, LO


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ('raise ValueError("the slice is missing: send it.")', "begin with a capital"),
        ('raise ValueError(f"The slice {n} is missing: send it")', "end with a full stop"),
        ('raise ValueError(f"The CT has {n} slice(s).")', "(s)"),
        ('_log.warning("The slice %s  is missing.", n)', "two spaces"),
        ('_log.info("the slice %s is missing.", n)', "begin with a capital"),
        ('print("Nothing is here, and nobody sent it")', "end with a full stop"),
        ('raise ValueError("The peer has lost patience: call again.")', "no word of the field"),
        (
            'def f():\n    words = "the slice is missing."\n    raise ValueError(words)',
            "begin with a capital",
        ),
        (
            'def f():\n    raise ValueError(g())\ndef g():\n    return "A slice is missing"',
            "end with a full stop",
        ),
        ('class E(ValueError): ...\nraise E("no slice is here.")', "begin with a capital"),
        ('refused("the study is " + word + ".")', "begin with a capital"),
        ('Finding(code="a", sentence=f"{n} slices are missing")', "end with a full stop"),
        ('registry.record(IncidentKind.LOW_DISK, "the disk is full.")', "begin with a capital"),
        ('parser.add_argument("--x", help="the slice(s) to take")', "(s)"),
    ],
)
def test_a_planted_message_is_found(source: str, fault: str) -> None:
    planted = list(of_module("planted.py", ast.parse(source)))
    assert any(fault in one for message in planted for one in _faults(message)), planted


def test_a_placeholder_is_shown_by_its_name_and_forms() -> None:
    source = (
        "raise ValueError(f\"The {len(self.found)} slices of {a.b!r} {'is' if n else 'are'}.\")"
    )
    (message,) = of_module("planted.py", ast.parse(source))
    assert message.text == "The {len found} slices of {b} {is|are}."


@pytest.mark.slow
def test_the_list_is_printed(messages: list[Message], capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    said = capsys.readouterr().out
    assert "# dicom_node\n" in said
    assert said.count("\n- ") == len(messages)
