"""The person whom a prompt describes: conditions, allergies and medications of the graph that it names and does not deny. English only.

A fact is clear, or *unclear*: said of a relative where nobody else is described, denied across a comma, past, or in words that can mean
something else. What an unclear fact forbids is not understood. The words are in `bbflow/text/lexicon/patient_cues.yaml`.

The right answer to a question after what to avoid ("Which drug is contraindicated in asthma?") names the very drug: `asks_what_to_avoid`.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.text.conditions import conditions_named
from bbflow.text.entity_linking import EntityLinker, Mention, entity_linker, separated
from bbflow.text.lexicon.patient_cues import patient_cues
from bbflow.text.negation import DENIALS, is_negated
from bbflow.text.tokenization import TokenizedText, has_quotes

CONDITION_KINDS = ("Disease", "PhenotypicFeature", "PhysiologicalState", "RenalFunction")
_LISTS = frozenset("and or plus with mg mcg g daily twice once a day bid tid qd nightly weekly".split())  # noqa: SIM905
"""Words between the drugs of a list."""
_INTERROGATIVES = frozenset(("which", "what"))
_JOINS = frozenset(("and", "but", "with", "plus"))
"""Words after a name that lead to the next one: what denies that is no denial of the first."""
_BEFORE, _RELATIVE_BEFORE, _REACTION_REACH, _DENIAL_REACH = 3, 6, 10, 4
"""Words before a name that say whose it is; words between a name and a relative, a sign of an allergy, a denial after it."""


@dataclass
class Facts:
    """Facts about a person.

    Attributes:
        conditions: Node ids of diseases, findings, states and stages of renal function.
        medications: Node ids of the drugs that the person takes.
        allergies: Node ids of allergies, or of the drugs that the person is allergic to.
        families: Node ids of classes of which the person takes a drug: "takes a blood thinner".
        egfr: The lowest glomerular filtration rate, in mL/min; None where no number is given.
    """

    conditions: list[str] = field(default_factory=list)
    medications: list[str] = field(default_factory=list)
    allergies: list[str] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    egfr: float | None = None


@dataclass
class PromptContext(Facts):
    """The facts that a prompt gives a person.

    Attributes:
        unclear: Facts of which it is unclear whether they are the person's; drugs that are named without a role are among the medications.
        asked: Node ids of the drugs that the prompt asks about: "can I take X?".
        words: Dict from the node of an unclear fact to the words that name it.
        is_note: Whether a fact is given in a sentence that reads like a note on a person: "UTI, sulfa allergy".
    """

    unclear: Facts = field(default_factory=Facts)
    asked: list[str] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    is_note: bool = False


_OF_THE_PERSON = frozenset(("but", "i", "myself", "himself", "herself", "however", "patient", "pt"))
"""Words after a relative with which a text goes back to the person: "my father is fine, but I have asthma"."""
_THIRD_PERSONS = frozenset(("he", "she", "him", "her", "his"))
"""Words that go on to speak of a relative: "my daughter has asthma, what can she take?"."""
_POSSESSIVES = frozenset(("my", "his", "her", "hers"))
_OPTION = re.compile(r"\n[A-H]\)[^\n]*")
"""A line that offers an answer, which says nothing of the person."""
_Belief = Literal["clear", "unclear", "no"]


def speaks_of_person(text: str | TokenizedText) -> bool:
    """Return whether a text speaks of a person at all.

    >>> speaks_of_person("My chest hurts."), speaks_of_person("72 yo F, chest pain"), speaks_of_person("What is asthma?")
    (True, True, False)
    """
    words, cues = (TokenizedText(text) if isinstance(text, str) else text).words, patient_cues()
    return not cues.persons.isdisjoint(words) or not cues.selves.isdisjoint(words) or _gives_age(words)


def asks_for_patient(text: str | TokenizedText) -> bool:
    """Return whether a text asks for advice about a person.

    >>> asks_for_patient("A 40-year-old has asthma. What helps?"), asks_for_patient("I need two members of the class.")
    (True, False)
    """
    words, cues = (TokenizedText(text) if isinstance(text, str) else text).words, patient_cues()
    if not cues.persons.isdisjoint(words) or _gives_age(words):
        return True
    return not cues.selves.isdisjoint(words) and any(a in cues.selves and b in cues.states for a, b in itertools.pairwise(words))


def _gives_age(words: list[str]) -> bool:
    ages = patient_cues().ages
    return not ages.isdisjoint(words) and any(b in ages and a.isdecimal() and len(a) < 4 for a, b in itertools.pairwise(words))


def asks_what_to_avoid(text: str | TokenizedText) -> bool | None:
    """Return whether a text asks for what must not be given; None where that is unclear, since the question is turned around.

    >>> asks_what_to_avoid("Which drug must she avoid?"), asks_what_to_avoid("She must avoid sun. What helps?")
    (True, False)
    >>> asks_what_to_avoid("Which drug is not contraindicated in asthma?") is None
    True
    """
    tokens, cues = TokenizedText(text) if isinstance(text, str) else text, patient_cues()
    if cues.avoiding.isdisjoint(tokens.words):
        return False
    for start, end in itertools.pairwise(tokens.bounds):
        words = tokens.words[start:end]
        count = sum(word in cues.avoiding for word in words)
        asking = cues.asking if tokens.is_question(start) else cues.asking - (cues.questions - _INTERROGATIVES)
        if count and not asking.isdisjoint(words):
            return True if count == 1 else None
    return False


def read_prompt(texts: Iterable[str | TokenizedText], graph: KnowledgeGraph) -> PromptContext:
    """Read the conditions, allergies and medications that texts give a person; those of relatives are left out, or unclear.

    Args:
        texts: The user's turns, as they are or cut into words.
        graph: The graph whose nodes are looked for.

    >>> from bbflow.testing import GRAPH
    >>> read_prompt(["He has asthma and no diabetes, and takes Warfarin."], GRAPH).conditions
    ['disease:asthma']
    """
    context = PromptContext()
    linker = entity_linker(graph)
    for prompt in texts:
        whole = prompt if isinstance(prompt, str) else prompt.text
        offers = "\nA)" in whole
        text = TokenizedText(_OPTION.sub("", whole)) if offers or isinstance(prompt, str) else prompt
        _Reader(text, linker, context).read()
    for facts in (context, context.unclear):
        for found in (facts.conditions, facts.medications, facts.allergies, facts.families):
            found[:] = dict.fromkeys(found)
    return context


class _Reader:
    """Reads the facts of one text into a context."""

    __slots__ = ("context", "cues", "linker", "named", "others", "quotes", "text", "words")

    def __init__(self, text: TokenizedText, linker: EntityLinker, context: PromptContext) -> None:
        self.text, self.words, self.linker, self.context, self.cues = text, text.words, linker, context, patient_cues()
        self.others = not self.cues.relatives.isdisjoint(text.words)  # whether a relative is spoken of
        self.quotes = has_quotes(text.text)
        self.named: set[int] = set()  # the words of names of allergies

    def read(self) -> None:
        """Read the names of the graph, then what is said in other words."""
        before: Mention | None = None
        role = ""
        mentions = self.linker.mentions(self.text)
        allergies = [m for m in mentions if any(self.linker.graph.node(node).kind == "Allergy" for node in m.nodes)]
        self.named = {i for mention in allergies for i in range(mention.first, mention.last)}
        for mention in mentions:
            joined = (
                before is not None
                and all(w in _LISTS or w[0].isdigit() for w in self.words[before.last : mention.first])
                and self.text.stops.isdisjoint(range(before.last, mention.first + 1))
            )
            belief = self._belief(mention.first, mention.last)
            role = (self._role(mention) or (role if joined else "")) if belief != "no" else ""
            before = mention
            if belief != "no":
                self._note(mention, role, belief)
        self._read_conditions(mentions)
        self._read_filtration()

    def _read_conditions(self, mentions: list[Mention]) -> None:
        for node, first, last, clear in conditions_named(self.text, self.linker.graph):
            if any(m.first <= first and last <= m.last and m.last - m.first > last - first for m in mentions):
                continue  # the "stroke" of "ischemic stroke"
            belief = self._belief(first, last)
            if belief != "no":
                self._add("conditions", node, first, last, clear and belief == "clear")

    def _add(self, kind: str, node: str, first: int, last: int, clear: bool) -> None:
        facts = self.context if clear else self.context.unclear
        getattr(facts, kind).append(node)
        if not self.context.is_note:
            self.context.is_note = self._is_note(first)
        if not clear and node not in self.context.words:
            start, end = self.text.span(first, last)
            self.context.words[node] = self.text.text[start:end]

    def _is_note(self, word: int) -> bool:
        """Return whether the sentence of a word reads like a note on a person, without words of general statements and questions."""
        start, end = self.text.sentence(word)
        return self.cues.general.isdisjoint(self.words[start:end])

    def _belief(self, first: int, last: int) -> _Belief:
        """Return whether what some words name is the person's: it is neither denied nor a relative's."""
        if is_negated(self.text, first):
            return "no" if self._denied_at_once(first) else "unclear"
        end = self.text.sentence(first)[1]
        if last < end and self.words[last] in self.cues.denied_after and not self._comma(last):
            return "no"
        after = itertools.takewhile(lambda word: word not in _JOINS, self.words[last : min(end, last + _DENIAL_REACH)])
        if not self.cues.denied_after.isdisjoint(after) or (self.quotes and self.text.is_quoted(first)):
            return "unclear"
        return self._of_relative(first, last) if self.others else "clear"

    def _denied_at_once(self, first: int) -> bool:
        """Return whether no comma separates a name from what denies it, but for one of a list that goes on with `or` and its like."""
        at = next(i for i in range(first - 1, -1, -1) if self.words[i] in DENIALS)
        commas = [i for i in range(at + 1, first + 1) if self._comma(i)]
        return not commas or not {"or", "nor", "and"}.isdisjoint(self.words[commas[0] : first + 3])

    def _comma(self, word: int) -> bool:
        return 0 < word < len(self.words) and separated(self.text, word)

    def _of_relative(self, first: int, last: int) -> _Belief:
        """Return whether a name in a text that speaks of relatives is the person's: "no" directly after a relative."""
        start, end = self.text.sentence(first)
        relatives = self.cues.relatives
        before = self.words[max(start, first - _RELATIVE_BEFORE) : first]
        spoken = next((i for i in range(len(before) - 1, -1, -1) if before[i] in relatives), None)
        if spoken is not None and not _OF_THE_PERSON.isdisjoint(before[spoken:]):
            return "clear"
        if spoken is None and relatives.isdisjoint(self.words[last : min(end, last + 3)]):
            return "clear" if relatives.isdisjoint(self.words[start:end]) else "unclear"
        mine = spoken is not None and before[:spoken][-1:] == ["my"] and not _THIRD_PERSONS.isdisjoint(self.words)
        return "no" if not mine and self._speaks_of_another() else "unclear"

    def _speaks_of_another(self) -> bool:
        """Return whether the text describes somebody beside the relatives."""
        others = (self.cues.persons | self.cues.selves) - self.cues.relatives - _POSSESSIVES
        return not others.isdisjoint(self.words) or _gives_age(self.words)

    def _role(self, mention: Mention) -> str:
        """Return whether the person is allergic to a drug or a family, or takes it; "" where the words around it say neither."""
        words, cues = self.words, self.cues
        start, end = self.text.sentence(mention.first)
        before = words[max(start, mention.first - _BEFORE) : mention.first]
        if not cues.allergic.isdisjoint(before) or (mention.last < end and words[mention.last] in cues.allergic_after):
            return "allergic"
        if not cues.takes.isdisjoint(before):
            return "takes"
        if "take" in before or "use" in before:
            verb = mention.first - len(before) + next(i for i, word in enumerate(before) if word in ("take", "use"))
            subject = words[max(start, verb - 2) : verb]
            if not cues.subjects.isdisjoint(subject) and cues.questions.isdisjoint(words[max(0, verb - 3) : verb]):
                return "takes"
        return ""

    def _reacts(self, mention: Mention) -> bool:
        """Return whether a sign of an allergy that is not denied stands in the sentence of a drug."""
        start, end = self.text.sentence(mention.first)
        near = range(max(start, mention.first - _REACTION_REACH), min(end, mention.last + _REACTION_REACH))
        return any(self.words[i] in self.cues.reactions and i not in self.named and not is_negated(self.text, i) for i in near)

    def _note(self, mention: Mention, role: str, belief: _Belief) -> None:
        graph, clear = self.linker.graph, belief == "clear"
        at = mention.first, mention.last
        conditions, allergies, drugs = (
            [n for n in mention.nodes if graph.node(n).kind in kinds] for kinds in (CONDITION_KINDS, ("Allergy",), ("Drug", "DrugClass"))
        )
        family = self.linker.family(self.text, mention) or self.linker.other_drug(self.text, mention)
        if family:
            self._note_family(family, mention, role, clear)
        elif len(allergies) == 1:
            self._add("allergies", allergies[0], *at, clear)
        elif len(conditions) == 1:
            if not _is_a_test(self.text, mention):
                self._add("conditions", conditions[0], *at, clear)
        elif len(drugs) == 1:
            self._note_drug(drugs[0], mention, role, clear)

    def _note_family(self, family: str, mention: Mention, role: str, clear: bool) -> None:
        at, participles = (mention.first, mention.last), self.cues.participles
        is_class = self.linker.graph.node(family).kind == "DrugClass"
        if role == "allergic":
            self._add("allergies", family, *at, clear)
        elif self._reacts(mention):
            self._add("allergies", family, *at, False)
        elif is_class and (role or self.words[mention.first] in participles or self.words[mention.last - 1] in participles):
            self._add("families", family, *at, clear)

    def _note_drug(self, drug: str, mention: Mention, role: str, clear: bool) -> None:
        at = mention.first, mention.last
        kind = "medications" if self.linker.graph.node(drug).kind == "Drug" else "families"
        if role == "allergic":
            self._add("allergies", drug, *at, clear)
            return
        if self._reacts(mention):
            self._add("allergies", drug, *at, False)
        if role == "takes":
            past = not self.cues.past.isdisjoint(self.words[max(0, mention.first - _BEFORE) : mention.first])
            self._add(kind, drug, *at, clear and not past)
        elif kind == "medications" and self.text.is_question(mention.first):
            self.context.asked.append(drug)
        elif kind == "medications" and self._is_note(mention.first):
            self._add(kind, drug, *at, False)

    def _read_filtration(self) -> None:
        if self.cues.trigger.isdisjoint(self.words):
            return
        words = " ".join(self.words)
        starts = list(itertools.accumulate((len(word) + 1 for word in self.words), initial=0))
        for match in self.cues.filtration.finditer(words):
            first = bisect_right(starts, match.start()) - 1
            after = self.text.text[self.text.span(first, first + 1)[0] :][:25]
            rate = float(match["rate"].replace(",", ".")) - (0.1 if match["below"] or "<" in after else 0)
            belief = self._of_relative(first, first + 1) if self.others else "clear"
            if 0 <= rate <= 250 and belief != "no":
                facts = self.context if belief == "clear" else self.context.unclear
                facts.egfr = rate if facts.egfr is None else min(rate, facts.egfr)
                self.context.is_note = True


def _is_a_test(text: TokenizedText, mention: Mention) -> bool:
    """Return whether a condition is the subject of a test without a positive result: "a pregnancy test"."""
    words, (start, end) = text.words, text.sentence(mention.first)
    return mention.last < end and words[mention.last] in ("test", "tests") and {"positive", "pos"}.isdisjoint(words[start:end])
