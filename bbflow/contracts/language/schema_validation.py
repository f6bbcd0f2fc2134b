"""Validate a YAML file against a JSON Schema, with line, column and a suggestion for each mistake.

It knows the keywords that `bbflow.contracts.language.json_schema` uses; another keyword in a schema is a programming error.
The `jsonschema` library is the oracle of this module in the tests, and is not used here: every one of its messages would have to be
rewritten by keyword, and then nothing independent would check that editors and reader agree.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from bbflow.errors import Problem, did_you_mean
from bbflow.io.yaml import YamlFile

Path = tuple[Hashable, ...]
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_SILENT = {"$schema", "$defs", "title", "description", "default", "format"}


def check(file: YamlFile, schema: Mapping[str, Any]) -> list[Problem]:
    """List everything in a file that its schema does not allow."""
    return list(dict.fromkeys(_Checker(file, schema).walk(file.data, schema, ())))


class _Checker:
    def __init__(self, file: YamlFile, root: Mapping[str, Any]) -> None:
        self.file, self.root = file, root

    def walk(self, value: Any, schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        if "type" in schema and not _is(value, schema["type"]):
            yield self._wrong_type(value, schema["type"], at)
            return
        for keyword, argument in schema.items():
            if keyword not in _SILENT and keyword not in ("type", "required", "then", "else"):
                yield from getattr(self, "_" + keyword.lstrip("$"))(value, argument, schema, at)
        # Missing keys come last, so that a misspelt key is named with its suggestion before the key that it leaves missing.
        for key in schema.get("required", ()):
            if isinstance(value, dict) and key not in value:
                yield Problem(f"{_name(at)} lacks '{key}'", self.file.where(*at))

    def _wrong_type(self, value: Any, wanted: str | list[str], at: Path) -> Problem:
        wanted = [wanted] if isinstance(wanted, str) else wanted
        quote = "put it in quotes" if wanted == ["string"] and not isinstance(value, (dict, list, type(None))) else ""
        return Problem(f"{_name(at)} must be {' or '.join(_WORDS[w] for w in wanted)}, not {_said(value)}", self.file.where(*at), quote)

    def _ref(self, value: Any, ref: str, schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        yield from self.walk(value, self.root["$defs"][ref.rsplit("/", 1)[1]], at)

    def _enum(self, value: Any, allowed: list[Any], schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        if not any(value == a and type(value) is type(a) for a in allowed):
            yield Problem(f"{_name(at)} cannot be {_said(value)}", self.file.where(*at), did_you_mean(str(value), allowed))

    def _properties(self, value: Any, properties: Mapping[str, Any], schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        if isinstance(value, dict):
            for key, child in value.items():
                if key in properties:
                    yield from self.walk(child, properties[key], (*at, key))

    def _additionalProperties(self, value: Any, more: Any, schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        known = schema.get("properties", {})
        for key in value if isinstance(value, dict) else ():
            if key not in known and more is False:
                yield Problem(f"unknown key '{key}' in {_name(at)}", self.file.where(*at, key), did_you_mean(str(key), known))
            elif key not in known:
                yield from self.walk(value[key], more, (*at, key))

    def _items(self, value: Any, items: Mapping[str, Any], schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        for i, child in enumerate(value if isinstance(value, list) else ()):
            yield from self.walk(child, items, (*at, i))

    def _allOf(self, value: Any, schemas: list[Mapping[str, Any]], schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        for each in schemas:
            yield from self.walk(value, each, at)

    def _if(self, value: Any, condition: Mapping[str, Any], schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        holds = not any(True for _ in self.walk(value, condition, at))
        yield from self.walk(value, schema.get("then" if holds else "else", {}), at)

    def _contains(self, value: Any, wanted: Mapping[str, Any], schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        if not any(not any(True for _ in self.walk(child, wanted, (*at, i))) for i, child in enumerate(value)):
            yield Problem(f"{_name(at)} lacks an entry", self.file.where(*at))

    def _minimum(self, value: Any, bound: float, schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        if not value >= bound:  # NaN is no number that a bound holds for
            yield Problem(f"{_name(at)} must be at least {bound}, not {value}", self.file.where(*at))

    def _maximum(self, value: Any, bound: float, schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        if not value <= bound:
            yield Problem(f"{_name(at)} must be at most {bound}, not {value}", self.file.where(*at))

    def _minLength(self, value: Any, bound: int, schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        if len(value) < bound:
            yield Problem(f"{_name(at)} is empty", self.file.where(*at))

    def _minItems(self, value: Any, bound: int, schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        if len(value) < bound:
            yield Problem(f"{_name(at)} needs at least {bound}", self.file.where(*at))

    def _maxItems(self, value: Any, bound: int, schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        if len(value) > bound:
            yield Problem(f"{_name(at)} has {len(value)} entries, and at most {bound} is supported", self.file.where(*at))

    def _pattern(self, value: Any, pattern: str, schema: Mapping[str, Any], at: Path) -> Iterator[Problem]:
        if not re.search(pattern, value):
            yield Problem(f"{_name(at)} cannot be {_said(value)}", self.file.where(*at), "letters, digits, - and _")


def _is(value: Any, wanted: str | list[str]) -> bool:
    """Return whether a value is of a JSON type; true and false are no numbers."""
    names = [wanted] if isinstance(wanted, str) else wanted
    return any(isinstance(value, _TYPES[n]) and (n == "boolean" or not isinstance(value, bool)) for n in names)


def _name(at: Path) -> str:
    """Write a path as in `schema[0].quality[2].severity`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in at).lstrip(".")
    return f"'{text}'" if text else "the contract"


def _said(value: Any) -> str:
    text = {dict: "a mapping", list: "a list", type(None): "null"}.get(type(value)) or repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
