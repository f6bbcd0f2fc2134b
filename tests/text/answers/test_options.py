"""Final answers, options and names read from completions."""

import pytest
from reward_samples import CLINICAL_CHOICE, CLINICAL_GRAPH, clinical_example

from bbflow.text.answers.extraction import chosen_option, final_answers, mentioned_option, option_index
from bbflow.text.entity_linking import mentions


def test_extraction() -> None:
    assert final_answers("so it is\nAnswer: 4000 mg per day\nTake care.") == ["4000 mg per day"]
    assert option_index("D", ["a", "b"]) is None
    assert chosen_option(CLINICAL_CHOICE, "Answer: amlodipine or propranolol") is None
    assert mentions(CLINICAL_GRAPH, "Type-2 diabetes, not hypertension!") == ["disease:type_2_diabetes", "disease:hypertension"]


HAN = ["\u963f\u53f8\u5339\u6797", "\u534e\u6cd5\u6797"]


@pytest.mark.parametrize("text", ["", "...", "\u6211", "?"])
@pytest.mark.parametrize("options", [HAN, ["+", "-"], ["\u03b2", "gamma"]])
def test_what_folds_to_nothing_names_no_option(text: str, options: list[str]) -> None:
    assert option_index(text, options) is None
    assert mentioned_option(clinical_example(options=options, answer=options[0]), text) is None


def test_options_beyond_ascii_are_read_by_their_words() -> None:
    greek = ["\u0391-blocker", "\u0392-blocker", "blocker"]
    assert [option_index(text, greek) for text in ("\u03b2 Blocker", "\u03b1-blocker", "Blocker")] == [1, 0, 2]
    assert mentioned_option(clinical_example(options=greek, answer=greek[1]), "give a \u03b2-blocker daily") == 1
    assert mentioned_option(clinical_example(options=HAN, answer=HAN[1]), f"\u6211\u9009{HAN[1]}\u3002") == 1


def test_options_that_differ_in_signs_alone_are_told_apart_or_not_at_all() -> None:
    ions = ["Na+", "Na-", "K+"]
    assert [option_index(text, ions) for text in ("Na-", "Na", "K")] == [1, None, 2]
    assert mentioned_option(clinical_example(options=ions, answer="Na+"), "it is Na") is None
