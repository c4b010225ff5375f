"""Every command, option, target, setting, variable and deployment is documented, and what the pages
show exists.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

import deploy.__main__ as deploy_commands
import dicom_node.__main__ as node_commands
import flows.__main__ as flow_commands
import models.__main__ as model_commands
import validation_reports.__main__ as report_commands
from dicom_node.settings import TABLES
from flows.dispatch.deployments import catalogue
from flows.settings import Settings
from tests.support import ROOT

EXAMPLE = (ROOT / "deploy" / "settings.example.toml").read_text(encoding="utf-8")
GUIDE = ROOT / "deploy" / "guide"
PAGES = {
    str(page.relative_to(ROOT)): page.read_text(encoding="utf-8")
    for page in (*ROOT.glob("*.md"), *GUIDE.glob("*.md"), *ROOT.glob("*/README.md"))
}
COMMANDS = PAGES["deploy/guide/commands.md"]
TEXT = "\n".join([*PAGES.values(), EXAMPLE])
MAIN: dict[str, Callable[[list[str]], int]] = {
    "flows": flow_commands.main,
    "dicom_node": node_commands.main,
    "models": model_commands.main,
    "validation_reports": report_commands.main,
    "deploy": deploy_commands.main,
}
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`([^`]+)`", re.DOTALL)


class _ParserFoundError(Exception):
    """Carries the parser of a command line out of its `main`, before anything is done."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__(parser.prog)
        self.parser = parser


def _parser(program: str) -> argparse.ArgumentParser:
    def stop(self: argparse.ArgumentParser, *_: object) -> argparse.Namespace:
        raise _ParserFoundError(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        with pytest.raises(_ParserFoundError) as found:
            MAIN[program]([])
    return found.value.parser


PARSERS = {program: _parser(program) for program in MAIN}


def _leaves(
    parser: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[str, argparse.Action]]:
    """Yield every action of a parser and its sub-commands, with the words that lead to it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield from _leaves(command, (*words, name))
        elif not isinstance(action, argparse._HelpAction):
            yield " ".join(words), action


def _commands(program: str) -> set[str]:
    """Return the sub-commands of a program; for `deploy` they are the choices of its first
    argument.
    """
    found = {words.split()[0] for words, _ in _leaves(PARSERS[program]) if words}
    for action in PARSERS[program]._actions:
        if isinstance(action, argparse._SubParsersAction) or (
            action.dest == "command" and action.choices
        ):
            found |= set(action.choices or ())
    return found


def _shown() -> list[str]:
    """Return the command lines of the pages: lines of `sh` blocks and what stands between
    back-ticks.
    """
    lines = []
    for page in PAGES.values():
        for block in SHELL.findall(page):
            lines += block.replace("\\\n", " ").splitlines()
        lines += [
            " ".join(text.split())
            for text in INLINE.findall(re.sub(r"```.*?```", "", page, flags=re.DOTALL))
        ]
    return [re.sub(r"\s+#.*", "", line).strip() for line in lines]


def _settings(model: type[BaseModel], table: str = "") -> Iterator[tuple[str, str]]:
    """Yield table and key of every setting; a centre's tables are called `center.B` and
    `clinical.B`, as in the example.
    """
    for name, field in model.model_fields.items():
        inner = [one for one in _models_in(field.annotation) if one is not model]
        here = f"{table}.{name}" if table else name
        if inner:
            yield from _settings(inner[0], f"{here}.B" if here in {"center", "clinical"} else here)
        else:
            yield table, name


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for part in getattr(annotation, "__args__", ()) for one in _models_in(part)]


def _example_keys() -> set[tuple[str, str]]:
    """Return table and key of every line of the example, commented out or not."""
    table, found = "", set()
    for line in EXAMPLE.splitlines():
        if head := re.match(r"(?:# )?\[+([\w.]+)\]+", line):
            table = head[1]
        elif key := re.match(r"(?:# )?(\w+) = ", line):
            found.add((table, key[1]))
    return found


def _variables() -> set[str]:
    """Return the variables of the environment that the code names, tests included."""
    found = set()
    for folder in (*MAIN, "feature_store", "tests"):
        for file in (ROOT / folder).rglob("*.py"):
            found |= set(
                re.findall(
                    r"\bANNULUS_[A-Z0-9]+(?:_[A-Z0-9]+)*\b_?", file.read_text(encoding="utf-8")
                )
            )
    return {name for name in found if "__" not in name}  # a table's key: documented with its table


TARGETS = set(
    re.findall(
        r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
)
OFFERS = catalogue(
    Settings.model_validate({"center": {name: {"ae_titles": [name]} for name in ("B", "C")}})
)


@pytest.mark.parametrize("program", MAIN)
def test_every_command_and_option_is_documented(program: str) -> None:
    section = COMMANDS.split(f"## python -m {program}\n")[1].split("\n## ")[0]
    entries = {
        name: entry
        for entry in section.split("\n- ")
        # a command, or a command and its action
        for pattern in (r"^`python -m \w+ ([\w-]+)", r"^`python -m \w+ ([\w-]+ [a-z-]+)`")
        for name in re.findall(pattern, entry)
    }
    assert _commands(program) <= entries.keys()
    for words, action in _leaves(PARSERS[program]):
        where = entries[words] if words else section
        for option in action.option_strings:
            assert re.search(rf"`{option}(?![\w-])", where), f"python -m {program} {words} {option}"


def test_every_target_of_the_makefile_is_documented() -> None:
    missing = [target for target in TARGETS if not re.search(rf"make {target}(?![\w-])", TEXT)]
    assert not missing


def test_make_help_lists_every_target_that_says_what_it_does() -> None:
    said = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    described = re.findall(r"^([^\s:]+):.*##", makefile, re.MULTILINE)
    assert [line.split()[1] for line in said.splitlines()] == described


def test_the_example_has_every_setting_and_no_other() -> None:
    real = set(_settings(Settings))
    assert {table.split(".")[0] for table, _ in real} == set(TABLES)
    assert _example_keys() - {("center.B", "tls")} == real


def test_every_variable_of_the_environment_is_documented() -> None:
    names = {
        name.removesuffix("_") if name != "ANNULUS_STOW_TOKEN_" else name for name in _variables()
    }
    missing = [
        name for name in names if name not in TEXT and not name.startswith("ANNULUS_STOW_TOKEN_")
    ]
    assert not missing
    assert "ANNULUS_STOW_TOKEN_" in TEXT


def test_every_deployment_is_documented_with_an_example() -> None:
    page = PAGES["deploy/guide/deployments.md"]
    for offer in OFFERS:
        assert f"`{offer.full_name}`" in TEXT, offer.full_name
        assert re.search(rf"prefect deployment run '?{re.escape(offer.full_name)}\b", TEXT), (
            offer.full_name
        )
        for parameter in offer.flow.parameters.properties:
            assert f"`{parameter}`" in page, f"{offer.full_name}: {parameter}"


def test_the_layers_of_the_architecture_are_those_that_make_check_holds() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    rooms = [one for one in contracts if "containers" in one and one["type"] == "layers"]
    assert len(rooms) == 6
    for one in rooms:
        (package,) = one["containers"]
        held = [{room.strip() for room in layer.split("|")} for layer in one["layers"]]
        shown = re.search(
            rf"^\*\*{package}\*\*: (.+?)\n\n", PAGES["ARCHITECTURE.md"], re.DOTALL | re.MULTILINE
        )
        assert shown is not None, package
        layers = [
            set(re.findall(r"\w+", "".join(re.findall(r"`[^`]+`,?", layer))))
            for layer in shown[1].split("·")
        ]
        assert layers == held, package


def test_the_rooms_that_the_pages_name_exist() -> None:
    packages = "|".join((*MAIN, "feature_store"))
    named = {
        path
        for text in PAGES.values()
        for path in re.findall(rf"`((?:{packages})(?:/\w+)+(?:\.py)?)`", text)
    }
    assert len(named) > 20
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


def test_every_page_that_a_page_or_a_message_names_exists() -> None:
    code = [path for folder in (*MAIN, "feature_store") for path in (ROOT / folder).rglob("*.py")]
    texts = {**PAGES, **{str(path): path.read_text(encoding="utf-8") for path in code}}
    named = {
        (where, page)
        for where, text in texts.items()
        for page in re.findall(r"`?((?:[a-z_]+/)+[a-zA-Z-]+\.md)\b", text)
    }
    assert len(named) > 50
    wrong = [
        f"{where}: {page}"
        for where, page in sorted(named)
        if not (ROOT / page).is_file() and not (ROOT / "deploy" / page).is_file()
    ]
    assert not wrong, "\n".join(wrong)


def test_what_the_pages_show_exists() -> None:
    offered = {offer.full_name for offer in OFFERS}
    wrong = []
    for line in _shown():
        for program, rest in re.findall(r"python -m (\w+)(?![\w.])([^|;&>]*)", line):
            if program in MAIN and (reason := _unusable(program, rest)):
                wrong.append(f"{line}: {reason}")
        wrong += [
            line
            for target in re.findall(r"\bmake ([a-z][a-z0-9-]*)$", line)
            if target not in TARGETS
        ]
        wrong += [
            line
            for name in re.findall(r"prefect deployment run '?([\w-]+/[\w-]+)", line)
            if name not in offered
        ]
    assert not wrong, "\n".join(wrong)


def _unusable(program: str, rest: str) -> str | None:
    """Say why the parser of a program would not take these words; what stands for several words is
    let through.
    """
    if "…" in rest or "[" in rest or not rest.strip():
        return None
    words = shlex.split(rest)
    if not any(word.startswith("-") for word in words[1:]) and set(words[:1]) <= _commands(program):
        return None  # named without its arguments
    original = argparse.ArgumentParser.error

    def refuse(_self: argparse.ArgumentParser, message: str) -> None:
        raise ValueError(message)

    argparse.ArgumentParser.error = refuse  # type: ignore[method-assign, assignment]
    try:
        PARSERS[program].parse_args(words)
    except ValueError as error:
        return str(error)
    finally:
        argparse.ArgumentParser.error = original  # type: ignore[method-assign]
    return None
