"""Type annotations: names, members and admissible values, for the diagnosis of recipes."""

from __future__ import annotations

import inspect
import traceback
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

from bbflow.errors import Problem, did_you_mean


def union_members(hint: Any) -> list[Any]:
    """Return the members of a union, without None, or the type itself."""
    if get_origin(hint) in (Union, types.UnionType):
        return [option for member in get_args(hint) if member is not type(None) for option in union_members(member)]
    return [hint]


def takes_null(hint: Any) -> bool:
    """Return whether None is a value of a type, or the type is unknown.

    >>> takes_null(int | None), takes_null(int), takes_null(dict[str, int])
    (True, False, False)
    """
    if get_origin(hint) is Literal:
        return None in get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return any(takes_null(member) for member in get_args(hint))
    return hint is type(None) or not (inspect.isclass(hint) or inspect.isclass(get_origin(hint)))


def may_hold(value: Any, hint: Any) -> bool:
    """Return whether a value of this type can have a mistake inside it.

    >>> may_hold({}, dict[str, int]), may_hold([], dict[str, int]), may_hold("x.yaml", int)
    (True, False, False)
    """
    origin = get_origin(hint) or hint
    if not inspect.isclass(origin) or origin in (str, int, float, bool):
        return False
    is_list = issubclass(origin, (list, tuple, set)) or origin.__name__ in ("Iterable", "Sequence")
    if isinstance(value, list):
        return is_list
    if isinstance(value, dict):
        return not is_list
    return isinstance(value, str) and not is_list and not issubclass(origin, Mapping)


def type_name(hint: Any) -> str:
    """Return a type in words, for messages.

    >>> from typing import Literal
    >>> type_name(int | None), type_name(Literal["a", "b"]), type_name(list[str])
    ('int or null', "'a' or 'b'", 'list[str]')
    """
    if get_origin(hint) is Literal:
        return " or ".join(repr(value) for value in get_args(hint))
    if len(union_members(hint)) > 1 or type(None) in get_args(hint):
        names = [type_name(option) for option in union_members(hint)]
        return " or ".join([*names, "null"] if type(None) in get_args(hint) else names)
    return hint.__name__ if inspect.isclass(hint) and not get_args(hint) else str(hint).replace("typing.", "")


def find_class(name: str, base: type, where: str = "") -> type | Problem:
    """Return the class of a short or dotted name, or the problem of the name or of the file that defines it."""
    known = subclasses(base)
    if name in known:
        return known[name]
    near = [f"{c.__module__}.{n}" if "." in name else n for n, c in known.items() if c is not base]
    module, _, attribute = name.rpartition(".")
    if not module:
        return Problem(f"unknown class '{name}'", where, did_you_mean(name, near))
    try:
        imported = __import__(module, fromlist=[attribute])
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            return Problem(f"no class '{name}': {error}", where, did_you_mean(name, near))
        return _broken(module, error, where)
    except Exception as error:  # any error of a file of the user
        return _broken(module, error, where)
    found: Any = getattr(imported, attribute, None)
    if found is None:
        own = [f"{module}.{n}" for n, c in vars(imported).items() if inspect.isclass(c) and c.__module__ == module]
        return Problem(f"no class '{name}': there is no '{attribute}' in {module}", where, did_you_mean(name, own or near))
    if inspect.isclass(found) and not issubclass(found, base):
        return Problem(f"'{name}' is no {base.__name__}", where, did_you_mean(name, near))
    if inspect.isabstract(found):
        return Problem(f"'{name}' is not complete: it lacks {', '.join(sorted(found.__abstractmethods__))}", where)
    return found


def _broken(module: str, error: Exception, where: str) -> Problem:
    """Return the problem of a failed import, with file and line."""
    if isinstance(error, SyntaxError):
        place, said = f"{error.filename}:{error.lineno}", error.msg
    else:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<") and f.filename != __file__]
        place, said = (f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""), str(error)
    return Problem(f"'{module}' cannot be imported: {type(error).__name__}: {said}", where, f"at {place}" if place else "")


def subclasses(base: type) -> dict[str, type]:
    """Return short name to class of everything imported that is a `base`, abstract classes left out.

    >>> sorted(subclasses(bool))
    ['bool']
    """
    found: dict[str, type] = {}
    queue = [base]
    while queue:
        cls = queue.pop(0)
        if not inspect.isabstract(cls):
            found.setdefault(cls.__name__, cls)
        queue += type.__subclasses__(cls)
    return found
