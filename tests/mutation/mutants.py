"""Small mistakes made in a solution by a program: one change of its syntax tree at a time."""

import ast
import copy
from collections.abc import Iterator

_OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.FloorDiv: (ast.Div,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}

_NAMES = {
    "mean": "sum",
    "sum": "mean",
    "max": "min",
    "min": "max",
    "maximum": "minimum",
    "minimum": "maximum",
    "any": "all",
    "all": "any",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
    "zeros": "ones",
    "ones": "zeros",
    "exp": "log",
    "log": "exp",
    "softmax": "log_softmax",
    "log_softmax": "softmax",
    "cumsum": "cumprod",
    "abs": "square",
    "unique": "flatten",
    "var": "std",
    "std": "var",
}
"""Functions and methods that are taken for one another."""


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Every program that differs from a solution by one small mistake.

    Args:
        source: A solution, with one function or one assignment of a literal at its top.

    Yields:
        What was changed, for people to read, and the changed source; no source twice.
    """
    tree = ast.parse(source)
    seen = {ast.unparse(tree)}
    for owner, name, index, node in list(_places(tree)):
        for new in _variants(node, tree):
            _set(owner, name, index, new)
            changed = ast.unparse(ast.fix_missing_locations(tree))
            _set(owner, name, index, node)
            if changed not in seen:
                seen.add(changed)
                yield f"line {node.lineno}: {_line(node)} -> {_line(new)}", changed


def _line(node: ast.AST | None) -> str:
    text = "nothing" if node is None or isinstance(node, ast.Pass) else ast.unparse(node)
    return " ".join(text.split())[:60]


def _set(owner: ast.AST, name: str, index: int | None, value: ast.AST) -> None:
    if index is None:
        setattr(owner, name, value)
    else:
        getattr(owner, name)[index] = value


def _places(
    node: ast.AST, inside_text: bool = False
) -> Iterator[tuple[ast.AST, str, int | None, ast.expr | ast.stmt]]:
    """Every expression and statement with the place where it stands; no docstring, no import."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "names", "format_spec"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST):
                continue
            docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            in_text = isinstance(child, ast.JoinedStr)
            if isinstance(child, ast.expr | ast.stmt) and not (docstring or in_text or inside_text):
                yield node, name, index, child
            yield from _places(child, in_text)


def _variants(node: ast.AST, tree: ast.Module) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left, op, right):
            yield from (ast.BinOp(left, new(), right) for new in _OPERATORS.get(type(op), ()))
            yield left
            yield right
            if isinstance(op, ast.Sub | ast.Div | ast.MatMult | ast.Pow):
                yield ast.BinOp(right, op, left)
        case ast.AugAssign(target, op, value):
            for new in _OPERATORS.get(type(op), ()):
                yield ast.AugAssign(target, new(), value)
            yield ast.Pass()
        case ast.UnaryOp(ast.USub() | ast.Not() | ast.Invert(), operand):
            yield operand
        case ast.Compare(left, [op], [right]):
            for new in _OPERATORS.get(type(op), ()):
                yield ast.Compare(left, [new()], [right])
        case ast.BoolOp(op, values):
            yield from (ast.BoolOp(new(), values) for new in _OPERATORS[type(op)])
            yield from values
        case ast.IfExp(_, body, orelse):
            yield body
            yield orelse
        case ast.If(_, body, orelse):
            yield ast.If(ast.Constant(True), body, orelse)
            yield ast.If(ast.Constant(False), body, orelse)
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value) | float(value)):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Constant(str(value)):
            yield from (ast.Constant(other) for other in _texts(tree) if other != value)
        case ast.Call():
            yield from _calls(node)
        case ast.Attribute(value, "T" | "mT"):
            yield value
        case ast.Subscript(value, index, ast.Load()):
            yield value
            yield from (ast.Subscript(value, new, ast.Load()) for new in _slices(index))
        case ast.Name(name, ast.Load()):
            yield from (ast.Name(other, ast.Load()) for other in _parameters(tree, name))
        case ast.Assign() | ast.Expr() | ast.For():
            if not isinstance(getattr(tree.body[-1], "value", None), ast.Dict):
                yield ast.Pass()
        case ast.Dict(keys, values):
            for i in range(len(keys)):
                yield ast.Dict(keys[:i] + keys[i + 1 :], values[:i] + values[i + 1 :])
                for j in range(i):
                    swapped = list(values)
                    swapped[i], swapped[j] = values[j], values[i]
                    yield ast.Dict(keys, swapped)


def _calls(call: ast.Call) -> Iterator[ast.AST]:
    function, inputs, options = call.func, call.args, call.keywords
    for i in range(len(options)):
        yield ast.Call(function, inputs, options[:i] + options[i + 1 :])
    for i in range(len(inputs)):
        yield ast.Call(function, inputs[:i] + inputs[i + 1 :], options)
        yield inputs[i]
    for i in range(1, len(inputs)):
        swapped = [*inputs[: i - 1], inputs[i], inputs[i - 1], *inputs[i + 1 :]]
        yield ast.Call(function, swapped, options)
    if isinstance(function, ast.Attribute):
        if not (isinstance(function.value, ast.Name) and function.value.id in ("torch", "F")):
            yield function.value
        if function.attr in _NAMES:
            renamed = ast.Attribute(function.value, _NAMES[function.attr], ast.Load())
            yield ast.Call(renamed, inputs, options)


def _slices(index: ast.expr) -> Iterator[ast.expr]:
    if isinstance(index, ast.Slice):
        for bound in ("lower", "upper"):
            if getattr(index, bound) is not None:
                new = copy.copy(index)
                setattr(new, bound, None)
                yield new
    if isinstance(index, ast.Tuple):
        for i, part in enumerate(index.elts):
            rest = [*index.elts[:i], *index.elts[i + 1 :]]
            yield ast.Tuple(rest, ast.Load())
            if not isinstance(part, ast.Slice):
                everything = [*index.elts[:i], ast.Slice(), *index.elts[i + 1 :]]
                yield ast.Tuple(everything, ast.Load())


def _parameters(tree: ast.Module, name: str) -> list[str]:
    """The other parameters of the function that a name is a parameter of."""
    function = next((node for node in tree.body if isinstance(node, ast.FunctionDef)), None)
    names = [argument.arg for argument in function.args.args] if function else []
    return [other for other in names if other != name] if name in names else []


def _texts(tree: ast.Module) -> list[str]:
    """The texts of a literal that is the whole answer; those inside of a function are left."""
    if isinstance(tree.body[-1], ast.FunctionDef):
        return []
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return sorted({text for text in texts if isinstance(text, str)})
