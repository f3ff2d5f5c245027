"""The model of `tests/model` is one of the code: its steps are the statements that the stores run."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ferrotp.mfa.stores.redis import RedisStore
from ferrotp.mfa.stores.sql.postgresql import PostgreSQL
from ferrotp.mfa.stores.sql.sqlite import SQLite

MODEL = (Path(__file__).parent / "model" / "src" / "lib.rs").read_text()

STATEMENTS: dict[str, tuple[Callable[..., Any], ...]] = {
    "Lock": (SQLite._counted, SQLite.attempt),
    "CompareAndSet": (PostgreSQL.attempt, PostgreSQL._settle),
    "TwoScripts": (RedisStore.attempt, RedisStore._look, RedisStore._settle),
}
ALSO = {"begin_unless": "begin", "commit": "commit"}
"""Calls of a connection that are steps, too."""


def _steps(function: Callable[..., Any]) -> list[str]:
    """The statements and scripts that a method names, in their order."""
    steps = []
    for node in _in_order(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("statements", "self.statements", "attempt"):
            steps.append(node.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ALSO:
                steps.append(ALSO[node.func.attr])
            elif node.func.attr == "_decide":
                steps.append(ast.literal_eval(node.args[0]))
    return steps


def _in_order(tree: ast.AST) -> list[Any]:
    nodes: list[Any] = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    return sorted(nodes, key=lambda node: (node.lineno, node.col_offset))


@pytest.mark.parametrize("kind", STATEMENTS)
def test_the_steps_of_the_model_are_the_statements_of_the_code_in_their_order(kind: str) -> None:
    (line,) = re.findall(rf"Self::{kind}\b.*?=> &\[(.*?)\]", MODEL)
    modelled = re.findall(r'"(\w+)"', line)
    run = [step for function in STATEMENTS[kind] for step in _steps(function)]
    last = list(dict.fromkeys(reversed([step for step in run if step in modelled])))[::-1]  # a refusal commits, too
    assert last == modelled, run
    # And each of them is a step that a process of the model takes.
    assert all(f"At::{step.capitalize()}" in MODEL for step in modelled)
