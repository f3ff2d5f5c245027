"""Which small changes are tried on a file of Python: mutmut's, and two of our own that matter to a gate: a condition
that always or never holds, and a statement that is left out.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider, WhitespaceInclusivePositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_string

Scope = tuple[str, int]
"""The path of a function in its file, such as ("Gate.begin", 0), and the how manieth of that name it is."""


@dataclass(frozen=True)
class Mutant:
    """A file with one small change."""

    file: str
    """Below the package's parent: "ferrotp/web/gate.py"."""
    function: str
    """Such as "ferrotp.web.gate.Gate.begin"; the class or the module where it is in none."""
    taken: str
    put: str
    lines: range
    """Those of the statement that is changed."""
    scope: Scope | None
    """The function whose body is changed. None: it is changed where the file is imported."""
    source: str
    """The whole file."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by in `tests/mutants.md`, since lines move."""
        return self.function, self.taken, self.put


def mutants_of(file: str, source: str) -> list[Mutant]:
    """All of a file, in the order of its lines."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    places = _Places()
    wrapper.visit(places)
    starts = [0, *accumulate(len(line) for line in source.splitlines(keepends=True))]
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    found: dict[str, Mutant] = {}
    for place in places.found:
        start, end = (
            starts[position.line - 1] + position.column for position in (place.replaced.start, place.replaced.end)
        )
        changed = source[:start] + wrapper.module.code_for_node(place.changed) + source[end:]
        if changed == source or changed in found:
            continue
        taken, put = _difference(source, changed)
        function = ".".join(filter(None, (module, place.path)))
        found[changed] = Mutant(file, function, taken, put, place.lines, place.scope, changed)
    return sorted(found.values(), key=lambda mutant: mutant.lines.start)


def _difference(source: str, changed: str) -> tuple[str, str]:
    lines = [*difflib.unified_diff(source.splitlines(), changed.splitlines(), n=0, lineterm="")][2:]
    taken, put = ([line[1:].strip() for line in lines if line.startswith(sign)] for sign in "-+")
    return " ".join(taken), " ".join(put)


# What is changed into what


def _condition(node: cst.If) -> Iterable[tuple[cst.CSTNode, cst.CSTNode]]:
    """It always holds, or never. It is asked all the same, since asking may raise."""
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    for operator, value in ((cst.And(), "False"), (cst.Or(), "True")):
        yield node.test, cst.BooleanOperation(test, operator, cst.Name(value))


def _statement(node: cst.SimpleStatementLine) -> Iterable[tuple[cst.CSTNode, cst.CSTNode]]:
    """Left out: a call for what it does, or a `raise`."""
    if len(node.body) == 1:
        statement = node.body[0]
        is_call = isinstance(statement, cst.Expr) and isinstance(statement.value, (cst.Call, cst.Await, cst.Yield))
        if is_call or isinstance(statement, cst.Raise):
            yield statement, cst.Pass()


def _string(node: cst.SimpleString) -> Iterable[cst.BaseString]:
    """Another text."""
    if not _is_sentence(node):
        yield from list(operator_string(node))[:1]


def _is_sentence(node: cst.CSTNode) -> bool:
    """Sentences are for people: no test holds their words."""
    if isinstance(node, cst.FormattedString):
        return any(isinstance(part, cst.FormattedStringText) and part.value.count(" ") > 1 for part in node.parts)
    if isinstance(node, cst.ConcatenatedString):
        return _is_sentence(node.left) or _is_sentence(node.right)
    return isinstance(node, cst.SimpleString) and node.value.count(" ") > 1


Operator = Callable[[Any], Iterable[cst.CSTNode]]
OPERATORS: list[tuple[type, Operator]] = [
    *((kind, operator) for kind, operator in mutation_operators if operator is not operator_string),
    (cst.SimpleString, _string),
]

SURE_TO_FAIL = ("len", "isinstance", "issubclass", "super")
"""Without their arguments, these raise a `TypeError` wherever they stand."""
TYPES = ("Annotated", "Callable", "Literal", "TypeVar")
"""What these are given is for type checkers."""


@dataclass(frozen=True)
class _Place:
    replaced: CodeRange
    changed: cst.CSTNode
    path: str
    lines: range
    scope: Scope | None


class _Places(cst.CSTVisitor):
    """Where a file may be changed."""

    METADATA_DEPENDENCIES = (PositionProvider, WhitespaceInclusivePositionProvider)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[_Place] = []
        self._names: list[str] = []
        self._functions: list[cst.FunctionDef] = []
        self._scope: Scope | None = None
        self._seen: Counter[str] = Counter()
        self._statement: range | None = None

    def on_visit(self, node: cst.CSTNode) -> bool:
        if _is_for_type_checkers(node) or isinstance(node, (cst.Decorator, cst.Import, cst.ImportFrom)):
            return False
        if _is_protocol(node):
            return False
        if isinstance(node, cst.SimpleStatementLine):
            self._statement = self._lines(node)
        if isinstance(node, (cst.ClassDef, cst.FunctionDef)):
            self._enter(node)
        else:
            self._change(node)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if _is_protocol(original_node):
            return
        if isinstance(original_node, cst.SimpleStatementLine):
            self._statement = None
        if self._functions and original_node is self._functions[-1]:
            self._functions.pop()
            if not self._functions:
                self._names.pop()
                self._scope = None
        elif isinstance(original_node, cst.ClassDef) and not self._functions:
            self._names.pop()

    def _enter(self, node: cst.ClassDef | cst.FunctionDef) -> None:
        if not self._functions:
            self._names.append(node.name.value)
        if isinstance(node, cst.FunctionDef):
            self._functions.append(node)
            if len(self._functions) == 1:
                path = ".".join(self._names)
                self._scope = path, self._seen[path]
                self._seen[path] += 1

    def _change(self, node: cst.CSTNode) -> None:
        for replaced, changed in _changes(node):
            lines = self._statement or self._lines(replaced)
            # A default is made where the function is.
            is_default = len(self._functions) == 1 and self._in_parameters(lines)
            scope = None if is_default else self._scope
            place = self.get_metadata(WhitespaceInclusivePositionProvider, replaced)
            assert isinstance(place, CodeRange)
            self.found.append(_Place(place, changed, ".".join(self._names), lines, scope))

    def _in_parameters(self, lines: range) -> bool:
        function = self._functions[0]
        return lines.start < self._lines(function.body).start and self._statement is None

    def _lines(self, node: cst.CSTNode) -> range:
        place = self.get_metadata(PositionProvider, node)
        assert isinstance(place, CodeRange)
        return range(place.start.line, place.end.line + 1)


def _changes(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """Which node is replaced by which."""
    if isinstance(node, cst.If):
        yield from _condition(node)
    elif isinstance(node, cst.SimpleStatementLine):
        yield from _statement(node)
    for kind, operator in OPERATORS:
        if isinstance(node, kind) and not _is_call_of(node, SURE_TO_FAIL) and not _says_a_sentence(node):
            yield from ((node, changed) for changed in operator(node))


def _is_call_of(node: cst.CSTNode, names: Iterable[str]) -> bool:
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value in names


def _says_a_sentence(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Call) and len(node.args) == 1 and _is_sentence(node.args[0].value)


def _is_protocol(node: cst.CSTNode) -> bool:
    """Its methods are never run: those of what keeps it are."""
    return isinstance(node, cst.ClassDef) and any(
        isinstance(base.value, cst.Name) and base.value.value == "Protocol" for base in node.bases
    )


def _is_for_type_checkers(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Subscript) and isinstance(node.value, cst.Name) and node.value.value in TYPES:
        return True
    if isinstance(node, cst.Assign) and isinstance(node.value, (cst.Call, cst.Subscript)):
        return _is_for_type_checkers(node.value)
    return isinstance(node, cst.Annotation) or _is_call_of(node, TYPES)
