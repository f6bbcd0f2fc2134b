"""Whether what a completion says of the nodes of its answer agrees with the proof of the record.

The proof says how each node is related: contraindicated, treating, presenting, diagnosing. A clause that names the node speaks for that
relation, against it, or for another one: "ciprofloxacin is safe in myasthenia gravis" speaks against what makes it the answer to "which
drug does myasthenia gravis forbid". The words are those of `answer_cues.yaml`; drugs are read by `bbflow.text.drugs.drug_mentions` as well.
English only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.graph.memo import memoize_per_graph
from bbflow.graph.severity import AGAINST
from bbflow.records import Example
from bbflow.text.answers.answer_cues import answer_cues, phrases
from bbflow.text.answers.consistency import sentences_beside
from bbflow.text.answers.options import DECISIONS, is_negated, plain, split_clauses
from bbflow.text.answers.reading import Sentence, read_completion
from bbflow.text.answers.refusals import REFUSING_ANSWERS
from bbflow.text.drugs.drug_mentions import read_drug_stances
from bbflow.text.entity_linking import entity_linker
from bbflow.text.tokenization import TokenizedText
from bbflow.text.verbalization import statements

GIVING = frozenset({"treats", "preventative_for_condition", "ameliorates_condition"})
"""Relations in favour of giving a drug; those of `AGAINST` speak against it."""
_LIMIT = "has_maximum_daily_dose"
_SHORT = 5
"""Most words of a line that denies what follows it: `Not this one`."""


class Clause(NamedTuple):
    """A clause as plain words, `#` in the place of each name, and the nodes that it names."""

    words: str
    nodes: tuple[str, ...]


def contradicts_proof(graph: KnowledgeGraph, example: Example, completion: str, announced: bool = True) -> bool:
    """Return whether a completion that gives the right answer says of it what the proof excludes.

    Args:
        graph: Source of names.
        example: The record.
        completion: The completion.
        announced: Whether the answer is given by itself; otherwise it is what the sentences name, and each that names it must not state
            another relation.

    >>> from bbflow.testing import CHOICE, GRAPH
    >>> texts = ["amlodipine is poison. Answer: B", "Answer: B. But never give it.", "Start propranolol. Answer: B"]
    >>> [contradicts_proof(GRAPH, CHOICE, text) for text in (*texts, "amlodipine is safe. Answer: B")]
    [True, True, True, False]
    """
    beside = sentences_beside(example, completion) if announced else list(read_completion(completion).sentences)
    if announced:
        beside = [sentence for sentence in beside if not is_proven(graph, sentence.text)]
    if not beside:
        return False
    wanted = related_nodes(graph, example)
    gold = fold(example.answer)
    decides = gold in REFUSING_ANSWERS | DECISIONS
    if gold == "no":  # that a limit is exceeded is its proof
        wanted = {node: predicates - {_LIMIT} for node, predicates in wanted.items()}
    implied = next(iter(wanted.items()), None) if decides else _answer_of(graph, example, wanted)
    for sentence in beside:
        if sentence.asks:
            continue
        if example.workflow and _denies_step(plain(sentence.text), plain(example.answer)):
            return True
        if _contradicts(graph, sentence, wanted, implied, decides, not announced):
            return True
    return False


def _denies_step(words: str, step: str) -> bool:
    """Return whether a sentence denies a step of a workflow, which may hold a particle of negation itself."""
    return f" {step} " in f" {words} " and is_negated(words.replace(step, "#"))


def is_proven(graph: KnowledgeGraph, sentence: str) -> bool:
    """Return whether a sentence consists of true statements of the graph."""
    return _proven(graph, sentence)


@memoize_per_graph
def _proven(graph: KnowledgeGraph, sentence: str) -> bool:
    stated = statements(graph, sentence)
    return bool(stated) and all(graph.has(*triple) for triple in stated)


def related_nodes(graph: KnowledgeGraph, example: Example) -> dict[str, frozenset[str]]:
    """Return the nodes that the record is about, each with the relations that its proof gives it.

    These are the right answers, and for a patient or a decision the drugs of the proof, the first of which is the drug of the question;
    what the patient takes already is neither to be given nor to be refused.
    """
    found: dict[str, set[str]] = {}
    if example.patient is not None or fold(example.answer) in REFUSING_ANSWERS | DECISIONS:
        taken = (example.patient or {}).get("medications") or ()
        for subject, predicate, obj in example.edges:
            for node in (subject, obj) if predicate == "interacts_with" else (subject,):
                if node in graph and graph.node(node).kind == "Drug" and node not in taken:
                    found.setdefault(node, set()).add(predicate)
    right = [answer for name in (example.answer, *example.accepted) if (answer := graph.resolve(name)) is not None]
    of_answer = _predicates(example, right[0]) if right else set()
    for answer in right:
        found.setdefault(answer, set()).update(_predicates(example, answer) or of_answer)
    return {node: frozenset(predicates) for node, predicates in found.items() if predicates}


def _predicates(example: Example, node: str) -> set[str]:
    """Return the relations of a node in the proof."""
    return {predicate for subject, predicate, obj in example.edges if node in (subject, obj)}


def _answer_of(graph: KnowledgeGraph, example: Example, wanted: Mapping[str, frozenset[str]]) -> tuple[str, frozenset[str]] | None:
    """Return the node of the answer with its relations; a step of a workflow is to be done, as a drug is to be given."""
    node = graph.resolve(example.answer)
    if node is None:
        return (example.answer, GIVING) if example.workflow else None
    return (node, wanted[node]) if node in wanted else None


def _contradicts(
    graph: KnowledgeGraph,
    sentence: Sentence,
    wanted: Mapping[str, frozenset[str]],
    implied: tuple[str, frozenset[str]] | None,
    decides: bool,
    strict: bool,
) -> bool:
    clauses = [read_clause(graph, text) for text in split_clauses(sentence.text)]
    if (
        strict
        and not any(node in wanted for clause in clauses for node in clause.nodes)
        and _denies_what_follows(sentence, clauses, wanted)
    ):
        return True
    named = ""
    for clause in clauses:
        about = [node for node in clause.nodes if node in wanted]
        named = about[-1] if about else named
        if any(_stance(graph, sentence.text, clause, node, wanted[node], strict) < 0 for node in about):
            return True
        if not about and _goes_against(clause, sentence, wanted.get(named) if strict else None, implied, decides):
            return True
    return False


def _goes_against(
    clause: Clause, sentence: Sentence, named: frozenset[str] | None, implied: tuple[str, frozenset[str]] | None, decides: bool
) -> bool:
    """Return whether a clause that names no right answer speaks against one: that of the clause before, or the one that it means.

    Args:
        clause: The clause.
        sentence: Its sentence.
        named: The relations of the right answer that a clause before names (`X, known to be safe in Y`); None where there is none.
        implied: The answer that a pronoun means, with its relations.
        decides: Whether a decision is wanted.
    """
    if named is not None and clause_stance(clause.words, named, bare=False) < 0:
        return True
    if implied is None or clause.nodes or not _means_answer(clause.words, sentence, decides):
        return False
    return clause_stance(clause.words, implied[1], bare=clause.words.startswith("is ")) < 0


def _denies_what_follows(sentence: Sentence, clauses: Sequence[Clause], wanted: Mapping[str, frozenset[str]]) -> bool:
    """Return whether a line without a name denies the names of the lines after it: `Never seen:`, `Not this one`."""
    words = plain(sentence.text)
    denies = re.match(r"(?:not|no|never|none|nothing|nobody|neither|hardly)\b", words) and not answer_cues().holds("others", words)
    if denies and (sentence.heads or len(words.split()) <= _SHORT):
        return True
    relations = frozenset().union(*wanted.values())
    return sentence.heads and any(is_negated(c.words) or clause_stance(c.words, relations, bare=True) < 0 for c in clauses)


def _means_answer(words: str, sentence: Sentence, decides: bool) -> bool:
    """Return whether a clause without a name speaks of the answer: after it, by a pronoun or a verdict; at all for a decision."""
    if decides or not sentence.after:
        return decides
    return words.startswith("is ") or answer_cues().holds("pronouns", words) or _verdict().search(words) is not None


@cache
def _verdict() -> re.Pattern[str]:
    """Return the pattern of a verdict: `... would be a blunder`."""
    return re.compile(
        rf"\b(?:is|are|was|be|seems) (?:(?:a|an|the|of|quite|totally|completely) )*(?:{phrases(answer_cues().words['unworthy'])})\b"
    )


def _stance(graph: KnowledgeGraph, sentence: str, clause: Clause, node: str, predicates: frozenset[str], strict: bool) -> int:
    """Return 1 where a sentence agrees with the relations of a node, -1 where it disagrees, else 0."""
    if graph.node(node).kind != "Drug":
        return clause_stance(clause.words, predicates, bare=True, strict=strict)
    found = clause_stance(clause.words, predicates, bare=strict, strict=strict)
    if strict or not predicates & (GIVING | AGAINST) or (found and len(set(clause.nodes)) == 1) or _NO_MEMBER.search(clause.words):
        return found
    said = {mention.stance for mention in read_drug_stances(sentence, graph).drug_mentions if mention.drug == node}
    for stance, agrees, disagrees in (("advised", GIVING, AGAINST), ("against", AGAINST, GIVING)):
        if stance in said and predicates & agrees:
            return 1 if found == 0 or stance == "advised" else found
        if said == {stance} and predicates & disagrees:
            return -1
    return found


_NO_MEMBER = re.compile(r"# (?:is|are) (?:neither|not (?:a|an|one of|any|related to))\b|\bmatters little\b")
"""`lisinopril is not a penicillin` and `the allergy does not matter for lisinopril` say nothing against the drug."""


@memoize_per_graph
def read_clause(graph: KnowledgeGraph, text: str) -> Clause:
    """Return a clause of a text, the names of nodes replaced, so that a name is not read as a cue."""
    linker, words = entity_linker(graph), TokenizedText(text)
    found = [m for m in linker.mentions(words, longest=linker.with_amounts) if len(m.nodes) == 1]
    said, here = list[str](), 0
    for mention in found:
        said += [*words.words[here : mention.first], "#"]
        here = mention.last
    return Clause(answer_cues().plainly(" ".join((*said, *words.words[here:]))), tuple(m.nodes[0] for m in found))


@lru_cache(maxsize=20_000)
def clause_stance(words: str, predicates: frozenset[str], bare: bool, strict: bool = False) -> int:
    """Return 1 where a clause speaks for one of some relations, -1 where it speaks against all of them, else 0.

    Args:
        words: The clause as plain words.
        predicates: The relations.
        bare: Whether a negation alone speaks against a relation.
        strict: Whether another relation speaks against these.

    >>> forbidden, found = frozenset({"contraindicated_in"}), frozenset({"has_phenotype"})
    >>> [clause_stance(text, forbidden, bare=True) for text in ("# is safe in #", "never give #", "# is not contraindicated", "#")]
    [-1, 1, -1, 0]
    >>> [clause_stance(text, found, bare=True) for text in ("# does not present with #", "# is a finding of #", "no patient has #")]
    [-1, 1, -1]
    """
    return max((_clause_stance(words, predicate, bare, strict) for predicate in predicates), default=0)


def _clause_stance(words: str, predicate: str, bare: bool, strict: bool) -> int:
    turned = -1 if is_negated(words) else 1
    if predicate == _LIMIT:
        return -turned if answer_cues().holds("exceeds", words) else 0
    said = _speaks_for(words, predicate)
    if said:
        return said * turned
    if strict and answer_cues().related(words):
        return -1
    return -1 if bare and turned < 0 else 0


def _speaks_for(words: str, predicate: str) -> int:
    """Return 1 where the words of a clause speak for a relation, -1 where they speak against it, else 0; negation is left aside."""
    cues = answer_cues()
    favours, harms, unworthy = (cues.holds(group, words) for group in ("favours", "harms", "unworthy"))
    related = cues.related(words)
    barred, given = bool(related & AGAINST), bool(related & GIVING)
    if predicate in AGAINST:
        return 1 if harms or unworthy or barred else -1 if favours or given else 0
    if unworthy or (predicate in GIVING and (harms or barred)):
        return -1
    helps = favours and (predicate in GIVING or (predicate == "diagnosed_by" and not given))
    return 1 if predicate in related or helps else 0
