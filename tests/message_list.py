"""Every message that a person may read, collected from the source of the packages.

`python -m tests.message_list` (`make messages`) prints them, by package and module. The list is no
page of the repository: it would change with most commits, and a page that is always newly printed
tells nobody more than the source it was printed from. What must hold of each message is held by
`tests/unit/test_message_list.py`.

Collected are the texts of

- errors: whatever an exception is made of, raised here or returned to be raised;
- sentences: what is named so (a variable, argument, field or function whose name ends in
  ``sentence``, ``sentences`` or ``refusal``), what a rule of a table says of data, and what a run
  ends with;
- the log, at info and above;
- what a command prints;
- the help of commands and options.

A placeholder is shown by its name, ``{slices}``; a word that changes with a number by its forms,
``{is|are}``. A text that is made in a function or variable of the same module is followed there.
"""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.support import ROOT
from tests.support.syntax_trees import LOG_LEVELS, PACKAGES, last_name, trees_of

_SAID_BY = {"refused", "warn", "Fault", "Completed", "Incomplete", "Contradictory", "Remark"}
"""What is called with a sentence, beside the errors, the log and print."""
_SENTENCE_NAMES = re.compile(r"(^|_)(sentences?|refusal)$")
_LOG_VALUE = re.compile(r"%(?:\.\d)?[sdrfg]")
_AT_MOST = 24
"""Forms of one message that are followed: more say nothing new."""


class Kind(StrEnum):
    """How a message comes to whoever reads it."""

    ERROR = "error"
    SENTENCE = "sentence"
    LOG = "log"
    PRINTED = "printed"
    HELP = "help"


@dataclass(frozen=True, order=True)
class Message:
    """One message, as its source makes it.

    Parameters
    ----------
    module : str
        The file, relative to the repository.
    line : int
        Where it is made.
    kind : Kind
        How it comes to whoever reads it.
    text : str
        The text, with its placeholders by name.
    """

    module: str
    line: int
    kind: Kind
    text: str


def collected(root: Path = ROOT, packages: Iterable[str] = PACKAGES) -> list[Message]:
    """Return every message of the packages, by module and line.

    Parameters
    ----------
    root : pathlib.Path
        The folder of the packages.
    packages : iterable of str
        Their names.
    """
    trees = trees_of(root, packages)
    errors = _error_names(trees.values())
    found = {
        message for module, tree in trees.items() for message in of_module(module, tree, errors)
    }
    return sorted(found)


def of_module(module: str, tree: ast.Module, errors: Iterable[str] = ()) -> Iterator[Message]:
    """Give the messages of one module, some more than once.

    Parameters
    ----------
    module : str
        What to call it.
    tree : ast.Module
        Its source.
    errors : iterable of str
        Names of exceptions beside those of Python and of this module.
    """
    yield from _Reader(module, {*errors, *_error_names([tree])}, tree).messages()


def _error_names(trees: Iterable[ast.Module]) -> set[str]:
    builtin = {
        name
        for name, value in vars(__import__("builtins")).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    known = set(builtin)
    while True:
        more = {
            one.name
            for one in classes
            if one.name not in known and any(last_name(base) in known for base in one.bases)
        }
        if not more:
            return known
        known |= more


@dataclass
class _Reader:
    module: str
    errors: set[str]
    tree: ast.Module
    functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = field(init=False)
    around: dict[ast.AST, ast.AST] = field(init=False)

    def __post_init__(self) -> None:
        self.functions = {
            node.name: node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self.around = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }

    def messages(self) -> Iterator[Message]:
        for node in ast.walk(self.tree):
            for kind, value in self._said(node):
                for text, line in self._texts(value, frozenset()):
                    if " " in text.strip() and re.search(r"[a-z]{2}", _without_values(text)):
                        yield Message(self.module, line, kind, text)

    def _said(self, node: ast.AST) -> Iterator[tuple[Kind, ast.expr]]:
        """Give the expressions of a node that somebody reads as they are."""
        match node:
            case ast.Call():
                yield from self._said_by_call(node)
            case ast.Assign(targets=[target], value=value) if _is_sentence(last_name(target)):
                yield Kind.SENTENCE, value
            case ast.Yield(value=ast.Tuple(elts=[_, value])):  # a key of the settings, a sentence
                yield Kind.SENTENCE, value
            case ast.Lambda(body=value) if self.module.endswith("_rules.py"):
                yield Kind.SENTENCE, value
            case ast.FunctionDef() if _is_sentence(node.name):
                for returned in _returned(node):
                    yield Kind.SENTENCE, returned
            case _:
                pass

    def _said_by_call(self, call: ast.Call) -> Iterator[tuple[Kind, ast.expr]]:
        name, of = last_name(call.func), ast.unparse(call.func)
        arguments = [*call.args, *(one.value for one in call.keywords)]
        if name in self.errors or (of.startswith("super().__init__") and self._is_in_error(call)):
            yield from ((Kind.ERROR, one) for one in arguments)
        elif name in LOG_LEVELS and "log" in of.lower() and call.args:
            yield Kind.LOG, call
        elif name in {"print", "_print"} or of in {"sys.stderr.write", "sys.stdout.write"}:
            yield from ((Kind.PRINTED, one) for one in call.args)
        elif name in {"add_parser", "add_argument", "ArgumentParser"}:
            help_of = {"help", "description", "epilog"}
            yield from ((Kind.HELP, one.value) for one in call.keywords if one.arg in help_of)
        else:
            yield from ((Kind.SENTENCE, one) for one in _sentences_of(name, call))

    def _is_in_error(self, node: ast.AST) -> bool:
        while node in self.around:
            node = self.around[node]
            if isinstance(node, ast.ClassDef):
                return node.name in self.errors
        return False

    def _texts(  # noqa: PLR0911 - a row for each way to write a text
        self, node: ast.expr, seen: frozenset[str]
    ) -> list[tuple[str, int]]:
        """Return the forms of a text, each with the line where it is made."""
        match node:
            case ast.Constant(value=str() as text):
                return [(text, node.lineno)]
            case ast.JoinedStr():
                return [(_joined(node), node.lineno)]
            case ast.BinOp(op=ast.Add()):
                return self._added(node, seen)
            case ast.IfExp(body=one, orelse=other):
                return [*self._texts(one, seen), *self._texts(other, seen)]
            case ast.BoolOp(values=values):
                return [text for value in values for text in self._texts(value, seen)]
            case ast.Name(id=name) if name not in seen:
                return [
                    text
                    for value in self._assigned(node)
                    for text in self._texts(value, seen | {name})
                ]
            case ast.Call():
                return self._called(node, seen)
            case ast.List() | ast.Tuple():
                return [text for value in node.elts for text in self._texts(value, seen)]
            case ast.Starred(value=value):
                return self._texts(value, seen)
            case ast.GeneratorExp(elt=value) | ast.ListComp(elt=value):
                return self._texts(value, seen)
            case ast.NamedExpr(value=value):
                return self._texts(value, seen)
            case _:
                return []

    def _called(self, call: ast.Call, seen: frozenset[str]) -> list[tuple[str, int]]:
        name = last_name(call.func)
        if name in LOG_LEVELS and call.args and isinstance(call.func, ast.Attribute):
            values = iter(call.args[1:])
            return [
                (_LOG_VALUE.sub(lambda _: _shown(next(values, None)), text), line)
                for text, line in self._texts(call.args[0], seen)
            ]
        if name == "join" and call.args:
            return self._texts(call.args[0], seen)
        if name in {"rstrip", "strip", "format", "replace"} and isinstance(
            call.func, ast.Attribute
        ):
            return self._texts(call.func.value, seen)
        function = self.functions.get(name)
        if function is None or name in seen or name in self.errors:
            return []
        return [text for value in _returned(function) for text in self._texts(value, seen | {name})]

    def _added(self, node: ast.BinOp, seen: frozenset[str]) -> list[tuple[str, int]]:
        left = self._texts(node.left, seen) or [(_shown(node.left), node.lineno)]
        right = self._texts(node.right, seen) or [(_shown(node.right), node.lineno)]
        both = itertools.product(left, right)
        return [(one + other, line) for (one, line), (other, _) in itertools.islice(both, _AT_MOST)]

    def _assigned(self, name: ast.Name) -> Iterator[ast.expr]:
        """Give what a name stands for: what its function assigns to it, or else its module."""
        scope: ast.AST = name
        while scope in self.around:
            scope = self.around[scope]
            if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
                continue
            found = list(_assignments(scope, name.id))
            if found:
                yield from found
                return


def _sentences_of(name: str, call: ast.Call) -> Iterator[ast.expr]:
    """Give what a call says as a sentence, by what is called and by the names of its arguments."""
    if name == "Refusal":  # the Error Comment; before it stands the clause of PS3
        yield from call.args[3:]
    elif name == "record" and call.args and ast.unparse(call.args[0]).startswith("IncidentKind"):
        yield call.args[1]
    elif name in _SAID_BY:
        yield from call.args
    yield from (one.value for one in call.keywords if _is_sentence(one.arg or ""))


def _joined(node: ast.JoinedStr) -> str:
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else _shown(part.value)
        for part in node.values
        if isinstance(part, ast.Constant | ast.FormattedValue)
    )


def _assignments(scope: ast.AST, name: str) -> Iterator[ast.expr]:
    for node in ast.walk(scope) if not isinstance(scope, ast.Module) else scope.body:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Name) and target.id == name:
                        yield value
                    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                        for one, its in zip(target.elts, value.elts, strict=False):
                            if isinstance(one, ast.Name) and one.id == name:
                                yield its
            case _:
                pass


def _returned(function: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
            yield node.value


def _shown(node: ast.expr | None) -> str:
    """Return a placeholder as it is shown: by the last name in it, or by its forms."""
    match node:
        case ast.IfExp(
            body=ast.Constant(value=str() as one), orelse=ast.Constant(value=str() as other)
        ):
            return f"{{{one}|{other}}}"
        case ast.Call(func=func, args=[first, *_]) if last_name(func) in {"len", "sum", "str"}:
            return (
                f"{{{last_name(func)} {_shown(first)[1:]}"
                if last_name(func) != "str"
                else (_shown(first))
            )
        case ast.Call(func=func, args=[ast.expr() as first, ast.Constant(value=noun)]) if (
            last_name(func) == "counted"
        ):
            return f"{{{_shown(first)[1:-1]} {noun!s}…}}"
        case None:
            return "{...}"
        case _:
            return f"{{{last_name(node) or '...'}}}"


def _is_sentence(name: str) -> bool:
    return _SENTENCE_NAMES.search(name) is not None


def _without_values(text: str) -> str:
    return re.sub(r"\{[^{}]*\}", "", text)


def main() -> int:
    """Print the list; return the exit code."""
    for package, messages in itertools.groupby(
        collected(), key=lambda one: one.module.partition("/")[0]
    ):
        print(f"# {package}\n")
        for module, its in itertools.groupby(messages, key=lambda one: one.module):
            print(f"## {module}\n")
            for one in its:
                print(f"- {one.line} {one.kind}: {' '.join(one.text.split())}")
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
