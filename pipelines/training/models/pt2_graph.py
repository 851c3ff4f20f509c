"""Says which graphs of a `torch.export` program may be loaded: those that can do nothing but arithmetic.

torch builds Python source from the names in the graph and executes it, hands its size formulas to `eval`, and looks
its operators up by any dotted path below `torch`. So every string of the graph is held to a narrow spelling first.
"""

import json
import re
from collections.abc import Mapping

NAME = re.compile(r"(?!__)[A-Za-z0-9_]{0,200}")
"""Of a value, an argument, a submodule: it becomes a Python name."""
PATH = re.compile(r"(?!__)[A-Za-z0-9_]+(\.(?!__)[A-Za-z0-9_]+)*")
"""Of a parameter or buffer within its module."""
OPERATOR = re.compile(r"torch\.ops\.aten\.([a-z0-9_]+)\.[A-Za-z0-9_]+")
FORBIDDEN = {"from_file", "save", "set", "set_", "set_data", "record_stream", "resize_", "_print", "warn"}
"""ATen operators that touch files, storages, streams or the terminal."""
ARITHMETIC = re.compile(
    r"_operator\.(eq|ne|le|ge|lt|gt|neg|pos|mul|add|sub|floordiv|mod|truediv|and_|or_|not_|abs|getitem)"
)
OTHER_OPERATORS = {
    "torch.sym_not",
    "torch.sym_int",
    "torch.sym_float",
    "torch.sym_sum",
    "torch.sym_max",
    "torch.sym_min",
    "math.trunc",
    "torch.ops.prims.convert_element_type.default",
    "torch.ops.higher_order.wrap_with_set_grad_enabled",
    "torch.ops.higher_order.wrap_with_autocast",
}
SIZE = re.compile(
    r"(Symbol|Integer|Mul|Add|Max|Min|FloorDiv|CeilDiv|CleanDiv|ModularIndexing|Mod|PythonMod|floor|"
    r"Equality|Unequality|GreaterThan|LessThan|StrictGreaterThan|StrictLessThan|positive|nonnegative|integer|"
    r"True|False|true|false|'?[su]\d{1,6}'?|\d{1,18}|[-+/(),=<> ]|\*(?!\*))*"
)
"""A formula of whole numbers and symbols, as sympy writes it for itself or for people; no powers, no backtracking."""
CONTEXT = re.compile(r'null|\[("[A-Za-z0-9_]*"(, ?)?)*\]')
CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict")

VALUES = ("tensor_values", "sym_int_values", "sym_bool_values", "sym_float_values")
NAMED = (*VALUES, "range_constraints", "opset_version")
"""Fields whose keys are names."""
PATHS = ("parameter_name", "buffer_name", "tensor_constant_name", "fqn")
QUOTED = ("as_string", "torch_version")
"""Fields that stay text in whatever is made of them."""
DROPPED: dict[str, object] = {
    "metadata": {},
    "guards_code": [],
    "treespec_namedtuple_fields": {},
    "custom_obj_values": {},
}
"""Fields that no forward pass needs; `guards_code` is Python source that torch executes."""
CPU = {"type": "cpu", "index": None}


class Unsafe(ValueError):
    """The graph holds something that is not arithmetic; the message shows it."""


def cleaned(program: object) -> object:
    """A program's JSON with what it does not need left out, placed on the CPU.

    Raises:
        Unsafe: a string of it could become anything but a name, a size or an operator of ATen.
    """
    return _clean(program, "")


def _clean(value: object, field: str) -> object:
    if field in DROPPED:
        return DROPPED[field]
    if field in ("device", "as_device") and isinstance(value, Mapping):
        return CPU
    if isinstance(value, Mapping):
        return {key: _clean(inner, _field(key, field)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner, field) for inner in value]
    if isinstance(value, str):
        _check(value, field)
    return value


def _field(key: str, parent: str) -> str:
    """By which rule the value under `key` goes; keys that the file's author chose are names and rule nothing."""
    chosen = parent in NAMED or parent == "config"
    _must(PATH if parent == "config" else NAME, key, "name")
    if key in ("as_custom_obj", "custom_obj", "token") and not chosen:
        raise Unsafe(f"a {key}, which is an object of foreign code")
    return "" if chosen else key


def _check(text: str, field: str) -> None:
    if field in ("target", "as_operator"):
        _check_operator(text)
    elif field == "expr_str":
        _check_size(text)
    elif field in ("in_spec", "out_spec"):
        _check_container(json.loads(text)[1])
    elif field in ("as_float", "as_floats"):
        float(text)  # "Infinity", as JSON has no number for it
    elif field not in QUOTED:
        _must(PATH if field in PATHS else NAME, text, field) if text else None


def _must(spelling: re.Pattern[str], text: str, what: str) -> None:
    if not spelling.fullmatch(text):
        raise Unsafe(f"the {what or 'text'} {text[:80]!r}")


def _check_operator(text: str) -> None:
    named = OPERATOR.fullmatch(text)
    if named is not None and named[1] not in FORBIDDEN:
        return
    if text not in OTHER_OPERATORS and not ARITHMETIC.fullmatch(text):
        raise Unsafe(f"the operator {text[:80]!r}")


def _check_size(text: str) -> None:
    if len(text) > 1000 or not SIZE.fullmatch(text):
        raise Unsafe(f"the size {text[:80]!r}")


def _check_container(spec: Mapping[str, object]) -> None:
    """How arguments or results are nested: tuples, lists and dictionaries, nothing that names a class."""
    context, children = spec["context"], spec["children_spec"]
    plain = context is None or (isinstance(context, str) and CONTEXT.fullmatch(context))
    if spec["type"] not in CONTAINERS or not plain or not isinstance(children, list):
        raise Unsafe(f"the container {str(spec)[:80]!r}")
    for child in children:
        _check_container(child)
