"""Records are checked when they are read."""

import pytest

from bbflow.errors import InputError
from bbflow.records import Example

WELL_FORMED = {
    "example_id": "e",
    "task": "t",
    "capabilities": ["a"],
    "messages": [{"role": "user", "content": "q"}],
    "response": "r",
    "answer": "a",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patient", "x"), ("patient", {"conditions": "x"}), ("patient", {"age": "old"}), ("recommended", ["x"]), ("recommended", [{"dose": 1}]),
        ("messages", "x"), ("messages", ["x"]), ("messages", 3), ("constraints", 3), ("edges", 3), ("edges", ["abc"]), ("capabilities", 3), ("constraints", "x"), ("constraints", [{"type": "a"}]), ("hops", "x"), ("edges", [["a", "b"]]),
        ("workflow", "x"), ("open_book", "x"), ("options", "ab"), ("options", [1]), ("answer", 3), ("answer", None),
    ],
)  # fmt: skip
def test_a_record_with_a_field_of_another_type_is_refused_when_it_is_read(field: str, value: object) -> None:
    with pytest.raises(InputError, match=f"row 1.*'{field}"):
        Example.from_row({**WELL_FORMED, field: value}, "row 1")
