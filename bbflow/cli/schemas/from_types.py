"""Type annotations to JSON Schema, for the plain records that flow between files."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def schema_of(hint: Any) -> dict[str, Any]:
    """Return the schema of a type: scalars, literals, unions, lists, tuples, mappings, TypedDicts and dataclasses.

    Raises:
        TypeError: There is no rule for the type.

    >>> schema_of(list[str] | None)
    {'anyOf': [{'type': 'array', 'items': {'type': 'string'}}, {'type': 'null'}]}
    >>> schema_of(tuple[str, int])
    {'type': 'array', 'prefixItems': [{'type': 'string'}, {'type': 'integer'}], 'items': False, 'minItems': 2}
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return {}
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        if all(member in _SCALARS for member in arguments):
            return {"type": [_SCALARS[member] for member in arguments]}
        return {"anyOf": [schema_of(member) for member in arguments]}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is tuple:
        return {"type": "array", "prefixItems": [schema_of(a) for a in arguments], "items": False, "minItems": len(arguments)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if is_typeddict(hint) or is_dataclass(hint):
        return object_schema(hint)
    raise TypeError(f"no schema for {hint}")


def object_schema(cls: Any, closed: bool = True) -> dict[str, Any]:
    """Return the schema of a TypedDict or dataclass; descriptions come from its docstring.

    Args:
        cls: The class; what has no default is required.
        closed: Whether other keys are refused.
    """
    hints = get_type_hints(cls)
    if is_dataclass(cls):
        required = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    else:
        required = [name for name in hints if name in cls.__required_keys__]
    text = descriptions(cls.__doc__ or "")
    properties = {name: {**schema_of(hint), **({"description": text[name]} if name in text else {})} for name, hint in hints.items()}
    summary = (cls.__doc__ or "").strip().split("\n")[0]
    schema: dict[str, Any] = {"type": "object", "description": summary, "properties": properties, "required": required}
    return {**schema, "additionalProperties": False} if closed else schema


def descriptions(docstring: str) -> dict[str, str]:
    r"""Return attribute name to text of the `Attributes:` section of a docstring.

    >>> descriptions("X.\n\n    Attributes:\n        a: One,\n            and more.\n        b: Two.\n    ")
    {'a': 'One, and more.', 'b': 'Two.'}
    """
    _, _, section = docstring.partition("Attributes:\n")
    found = re.findall(r"^ {8}(\w+): (.*(?:\n {9,}.*)*)", section.split("\n\n")[0], re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}
