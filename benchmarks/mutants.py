"""Small faults that can be put into a program: a comparison turned round, a constant changed, a
statement left out.

Texts, types and docstrings are not changed. `points` of one source are always the same, and in the
order of the file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
}
OPERATORS: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.Mult: ast.Div(),
    ast.Div: ast.Mult(),
    ast.FloorDiv: ast.Mult(),
    ast.Mod: ast.Mult(),
    ast.Pow: ast.Mult(),
    ast.BitOr: ast.BitAnd(),
    ast.BitAnd: ast.BitOr(),
    ast.LShift: ast.RShift(),
    ast.RShift: ast.LShift(),
}
UNTOUCHED = ("annotation", "returns", "decorator_list", "bases", "type_params")
"""Fields of a node that say nothing of what is computed."""


@dataclass(frozen=True)
class Point:
    """A place in a source, and what would stand there. line: of the statement's or expression's
    first character, from 1."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    kind: str
    after: str

    def before(self, source: str) -> str:
        """What stands there."""
        lines = source.encode().splitlines(keepends=True)[self.line - 1 : self.end_line]
        return _within(lines, self.column, self.end_column).decode()

    def put(self, source: str) -> str:
        """The source with the fault in it."""
        lines = source.encode().splitlines(keepends=True)
        head, tail = (
            lines[self.line - 1][: self.column],
            lines[self.end_line - 1][self.end_column :],
        )
        return b"".join(
            [*lines[: self.line - 1], head + self.after.encode() + tail, *lines[self.end_line :]]
        ).decode()


def points(file: str, source: str) -> list[Point]:
    """Every place where a fault can be put, one fault a place.

    >>> [(p.before("a = b < 3"), p.after) for p in points("x.py", "a = b < 3")]
    [('b < 3', 'b <= 3'), ('3', '4')]
    """
    return [
        Point(
            file,
            node.lineno,
            node.col_offset,
            node.end_lineno or 0,
            node.end_col_offset or 0,
            kind,
            after,
        )
        for node, kind, after in _faults(ast.parse(source))
    ]


def _within(lines: list[bytes], first: int, last: int) -> bytes:
    if len(lines) == 1:
        return lines[0][first:last]
    return b"".join([lines[0][first:], *lines[1:-1], lines[-1][:last]])


def _faults(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str, str]]:
    if isinstance(node, ast.JoinedStr):  # whose parts have no place of their own in Python 3.11
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield from _here(node)
    for name, value in ast.iter_fields(node):
        if name not in UNTOUCHED:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _faults(child)


def _here(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str, str]]:
    match node:
        case ast.Compare(left, [operator], [right]) if type(operator) in COMPARISONS:
            yield (
                node,
                "comparison",
                ast.unparse(ast.Compare(left, [COMPARISONS[type(operator)]], [right])),
            )
        case ast.BoolOp(operator, values):
            other = ast.And() if isinstance(operator, ast.Or) else ast.Or()
            yield node, "and, or", f"({ast.unparse(ast.BoolOp(other, values))})"
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield node, "sign", f"({ast.unparse(operand)})"
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
            yield (
                node,
                "operator",
                f"({ast.unparse(ast.BinOp(left, OPERATORS[type(operator)], right))})",
            )
        case ast.Constant(bool() | int() | float() as value):
            yield node, "constant", _other(value)
        case ast.Return(ast.expr() as value) if not isinstance(value, ast.Constant):
            yield node, "return", "return None"
        case (
            ast.Expr(ast.Call() | ast.Yield() | ast.YieldFrom())
            | ast.AugAssign()
            | ast.Raise()
            | ast.Assert()
        ):
            yield node, "statement", "pass"
        case ast.Break():
            yield node, "loop", "continue"
        case ast.Continue():
            yield node, "loop", "break"
        case ast.If(test) | ast.While(test) | ast.IfExp(test):
            yield test, "condition", f"(not ({ast.unparse(test)}))"
        case ast.Call(function, arguments, keywords) if keywords and keywords[-1].arg:
            yield node, "argument", ast.unparse(ast.Call(function, arguments, keywords[:-1]))


def _other(value: bool | float) -> str:
    if isinstance(value, bool):
        return str(not value)
    return str(value + 1) if isinstance(value, int) else repr(value * 1.5 or 1.0)
