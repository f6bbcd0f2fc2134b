"""The paraphrase grammar: alternatives, nesting, and brackets that are plain text."""

import random

import pytest

from bbflow.synthesis.rendering.paraphrase_grammar import count, expand


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        ("plain", {"plain"}),
        ("[a|b]", {"a", "b"}),
        ("[a|b] [c|d]", {"a c", "a d", "b c", "b d"}),
        ("[a|b [c|d]]", {"a", "b c", "b d"}),
        ("x[|y]", {"x", "xy"}),
        ("[only] one", {"[only] one"}),
        ("[name] or [a|b]", {"[name] or a", "[name] or b"}),
    ],
)
def test_a_template_becomes_exactly_its_texts(template: str, texts: set[str]) -> None:
    assert {expand(template, random.Random(seed)) for seed in range(200)} == texts
    assert count(template) == len(texts)


def test_text_without_alternatives_draws_nothing() -> None:
    rng = random.Random(3)
    before = rng.getstate()
    expand("no [choice] here", rng)
    assert rng.getstate() == before
