"""The drugs that the texts of a row advise: its response, and every earlier turn of the assistant.

A drug of which it is unclear whether it is advised is not understood, and so is one that the text dismisses, but not firmly. That matters
only where something speaks against the drug: what is harmless either way hides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bbflow.contracts.engine.prompt_context import asks_about_patient, asks_to_avoid, context_from_prompt
from bbflow.contracts.engine.row import Reason, Row
from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.drugs.drug_mentions import DrugMention, TextReading, is_short_answer, read_drug_stances
from bbflow.text.drugs.firm_stance import is_firmly_dismissed
from bbflow.text.drugs.stance_cues import stance_cues
from bbflow.text.language import count_non_latin, other_language
from bbflow.text.lexicon.drug_classes import drugs_of
from bbflow.text.normalization import fold_characters
from bbflow.text.tokenization import TokenizedText, has_quotes

Unclear = Literal["set_aside", "refuse", "pass"]
"""What becomes of a drug of which it is unclear whether it is advised."""


@dataclass
class Advice:
    """What the texts of a row say of one drug or class of drugs.

    Attributes:
        mention: The mention that says most for the drug: an advised one before an unclear one before a dismissed one.
        column: The text of that mention: `response`, or `messages[0]`.
        reading: The reading of that text.
        state: Whether the drug is advised, may be, or is dismissed wherever it is named.
        dismissals: The mentions that dismiss the drug, each with the reading of its text.
    """

    mention: DrugMention
    column: str
    reading: TextReading
    state: Literal["advised", "unclear", "dismissed"]
    dismissals: list[tuple[TextReading, DrugMention]] = field(default_factory=list)

    @property
    def text(self) -> TokenizedText:
        """The text, cut into words."""
        return self.reading.text

    @property
    def understood(self) -> bool:
        """Whether it is clear that the drug is advised."""
        return self.state == "advised"

    @property
    def opposed(self) -> bool:
        """Whether a mention speaks against the drug."""
        return any(mention.stance == "against" for _, mention in self.dismissals)

    def is_safely_dismissed(self) -> bool:
        """Return whether every mention of the drug leaves no doubt that it is not advised."""
        return self.state == "dismissed" and all(is_firmly_dismissed(reading, mention) for reading, mention in self.dismissals)

    def said(self, words: tuple[int, int] | None = None) -> str:
        """Return words of the text as they are written; those of the drug where none are given."""
        start, end = self.text.span(*(words or self.mention.words))
        return self.text.text[start:end]


def about_a_patient(row: Row, graph: KnowledgeGraph) -> bool:
    """Return whether a row gives a patient, or its prompt speaks of one."""
    return row.cell("patient") is not None or asks_about_patient(row, graph)


def readings(row: Row, graph: KnowledgeGraph) -> tuple[tuple[str, TextReading], ...]:
    """Return the reading of the response and of each turn of the assistant, with its column, once for all rules.

    Raises:
        MalformedCell: The response is no text.
    """
    return row.memo(_readings, graph)


def _readings(row: Row, graph: KnowledgeGraph) -> tuple[tuple[str, TextReading], ...]:
    return tuple((column, read_drug_stances(text, graph)) for column, text in _texts(row) if len(text.text) <= _LONGEST)


def _texts(row: Row) -> list[tuple[str, TokenizedText]]:
    return row.memo(_written)


def _written(row: Row) -> list[tuple[str, TokenizedText]]:
    return [("response", row.words("response")), *((f"messages[{i}]", text) for i, text in row.assistant_turns())]


_LONGEST = 100_000
"""Characters of the longest text that is read."""
_FOREIGN = 0.1
"""Share of letters that are not Latin above which a text is in another language."""


def unreadable_texts(row: Row) -> Iterator[Reason]:
    """Yield a reason for each text of the row that cannot be read as a whole: it is too long, or in another language than English."""
    for column, text in _texts(row):
        if len(text.text) > _LONGEST:
            said = f"{column} was not understood: it has {len(text.text)} characters, and at most {_LONGEST} are read"
            yield Reason(said, column, understood=False)
            continue
        other, letters = (0, 0) if text.text.isascii() else count_non_latin(fold_characters(text.text))
        language = "another script" if other > _FOREIGN * letters else other_language(text.text, "en", text.words)
        if language is not None:
            yield Reason(f"{column} was not understood: it reads like '{language}', and English alone is read", column, understood=False)


def drugs_said(row: Row, graph: KnowledgeGraph, unclear: Unclear = "set_aside") -> dict[str, Advice]:
    """Return what the row's texts say of each drug that they name; a drug both advised and opposed is unclear.

    Args:
        row: The row.
        graph: The graph.
        unclear: What becomes of an unclear drug: `refuse` takes it for advised, `pass` for dismissed.
    """
    return row.memo(_drugs_said, graph, unclear)


def _drugs_said(row: Row, graph: KnowledgeGraph, unclear: Unclear) -> dict[str, Advice]:
    return _merged(row, [(c, reading, mention) for c, reading in readings(row, graph) for mention in reading.drug_mentions], unclear)


def classes_said(row: Row, graph: KnowledgeGraph) -> dict[str, Advice]:
    """Return what the row's texts say of each class of drugs, by its node and its words."""
    found: dict[str, Advice] = {}
    for column, reading in readings(row, graph):
        for mention in reading.class_mentions:
            words = " ".join(reading.text.words[slice(*mention.words)])
            merged = _merged(row, [(column, reading, mention)], "set_aside").get(mention.drug)
            if merged is not None:
                _put(found, f"{mention.drug} {words}", merged)
    return found


_ORDER = {"dismissed": 0, "unclear": 1, "advised": 2}


def _merged(row: Row, mentions: Sequence[tuple[str, TextReading, DrugMention]], unclear: Unclear) -> dict[str, Advice]:
    avoids, found = asks_to_avoid(row), dict[str, Advice]()
    for column, reading, mention in mentions:
        stance = mention.stance
        if stance == "unclear" and unclear != "set_aside":
            stance = "advised" if unclear == "refuse" else "spoken of"
        elif stance == "advised" and avoids is not False and is_short_answer(reading, mention):
            if avoids:
                continue  # the answer to "which drug must she avoid?" names what is not advised
            stance = "unclear"
        elif stance in ("advised", "unclear") and _is_turned_down(reading.text, mention.words[0]):
            _put(found, mention.drug, Advice(mention, column, reading, "dismissed"))
            continue
        elif stance == "advised" and _is_not_its_own(reading, mention):
            stance = "unclear"
        state: Literal["advised", "unclear", "dismissed"] = "dismissed"
        if stance in ("advised", "unclear"):
            state = "advised" if stance == "advised" else "unclear"
        _put(found, mention.drug, Advice(mention, column, reading, state, [(reading, mention)] if state == "dismissed" else []))
    for advice in found.values():
        if advice.state == "advised" and advice.opposed:
            advice.state = "unclear"
    return found


def _is_turned_down(text: TokenizedText, word: int) -> bool:
    """Return whether a no answers the question that a word stands in: "X? Absolutely not."."""
    if not text.is_question(word):
        return False
    end = text.sentence(word)[1]
    return not _NO.isdisjoint(text.words[end : end + 2])


_NO = frozenset(("no", "never", "not"))


def _is_not_its_own(reading: TextReading, mention: DrugMention) -> bool:
    """Return whether a text quotes or asks what would advise a drug, or takes something back."""
    text, word = reading.text, mention.words[0]
    if not stance_cues().words.retractions.isdisjoint(text.words):
        return True
    return ("?" in text.text and text.is_question(word)) or (has_quotes(text.text) and text.is_quoted(word))


def _put(found: dict[str, Advice], key: str, new: Advice) -> None:
    known = found.get(key)
    if known is None:
        found[key] = new
        return
    better, dismissals = _ORDER[new.state] > _ORDER[known.state], [*known.dismissals, *new.dismissals]
    found[key] = new if better else known
    found[key].dismissals = dismissals


def named_in_prompt(row: Row, graph: KnowledgeGraph) -> list[str]:
    """Return the drugs that the prompt names, and that the patient is not said to be allergic to."""
    if not row.has("messages"):
        return []
    said = context_from_prompt(row, graph)
    return list(dict.fromkeys((*said.asked, *said.medications, *said.unclear.medications)))


def unnamed_drugs(row: Row, graph: KnowledgeGraph) -> list[str]:
    """Return the drugs of the prompt where the response names none and does not begin with a no, so that it may speak of any of them."""
    return row.memo(_unnamed_drugs, graph)


def _unnamed_drugs(row: Row, graph: KnowledgeGraph) -> list[str]:
    reading = next((reading for column, reading in readings(row, graph) if column == "response"), None)
    if reading is None or reading.drug_mentions or not reading.text.words or (row.has("options") and row.cell("options")):
        return []
    begins = [word for word in reading.text.words[:2] if word != "answer"][:1]
    if not stance_cues().words.denials.isdisjoint(begins):
        return []
    opposed = {drug for m in reading.class_mentions if m.stance == "against" for drug in drugs_of(graph, m.drug)}
    return [drug for drug in named_in_prompt(row, graph) if drug not in opposed]


def placed(because: Reason, advice: Advice, *others: Advice) -> Reason:
    """Return a reason with its place in the text; it is one of a row that was not understood where it is unclear what is advised.

    Args:
        because: What speaks against the drug.
        advice: The drug.
        others: Other drugs that the reason is about.
    """
    span = advice.text.span(*advice.mention.words)
    unclear = [each for each in (advice, *others) if not each.understood]
    if not unclear:
        return Reason(str(because), advice.column, span, because.edges, because.understood)
    words = " and ".join(f"'{each.said()}'" for each in unclear)
    are, them = ("is", "it") if len(unclear) == 1 else ("are", "them")
    said = f"{words} {are} not understood: it is unclear whether the text advises {them}, and {because}"
    return Reason(said, advice.column, span, because.edges, understood=False)
