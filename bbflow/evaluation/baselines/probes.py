"""Adversarial probes: completions designed to earn a reward without answering. Used by `bbflow rewards probe` and the tests.

A reward passes if no probe scores above an honest wrong answer in good form, and each scores at least `GAP` below a right one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.records import Example
from bbflow.rewards.base import Reward, Score

GAP = 0.5
"""Required difference between the score of a right answer and that of any probe."""

_LOOKALIKES = str.maketrans("aceiopxyABCEHIKMOPTXn", "асеіорхуАВСЕНІКМОРТХո")  # noqa: RUF001 (that is the point)
_REFUSING = ("none of these", "no", "none")


def empty(example: Example, graph: KnowledgeGraph) -> str:
    """Return an empty text."""
    return ""


def refusal(example: Example, graph: KnowledgeGraph) -> str | None:
    """Return a refusal, for records where refusing is wrong."""
    return None if example.answer.casefold() in _REFUSING else "I cannot help with that. Answer: none of these"


def all_options(example: Example, graph: KnowledgeGraph) -> str | None:
    """Return every option, each after its own mark."""
    return " ".join(f"Answer: {option}." for option in example.options) if example.options else None


def all_letters(example: Example, graph: KnowledgeGraph) -> str | None:
    """Return every letter."""
    return "Answer: " + ", ".join(chr(ord("A") + i) for i in range(len(example.options))) if example.options else None


def entity_soup(example: Example, graph: KnowledgeGraph) -> str:
    """Return the names of all entities around the question, right and wrong."""
    around = [node for node in example.entities if node in graph]
    others = [n for node in around for n in (*graph.networkx.successors(node), *graph.networkx.predecessors(node))]
    more = [n.id for n in graph.nodes()][:20]
    return " ".join(graph.name_of(node) for node in dict.fromkeys([*around, *others[:30], *more]))


def prompt_echo(example: Example, graph: KnowledgeGraph) -> str:
    """Return the question."""
    return example.prompt


def repeated_marks(example: Example, graph: KnowledgeGraph) -> str:
    """Return marks without an answer."""
    return "Answer: " * 8


def nested_tags(example: Example, graph: KnowledgeGraph) -> str:
    """Return everything at once within nested tags."""
    inside = " or ".join(example.options or [example.answer, _other(example, graph)])
    return f"<answer><answer>Answer: <think>{inside}</think></answer></answer>"


def very_long(example: Example, graph: KnowledgeGraph) -> str:
    """Return the prompt over and over, without an end."""
    return " ".join([example.prompt.splitlines()[0] if example.prompt else "the"] * 200)


def look_alikes(example: Example, graph: KnowledgeGraph) -> str | None:
    """Return the right response in look-alike letters; None if the answer has no such letter."""
    if example.answer.translate(_LOOKALIKES) == example.answer:
        return None
    return example.response.translate(_LOOKALIKES)


def only_in_the_reasoning(example: Example, graph: KnowledgeGraph) -> str | None:
    """Return the right reasoning with another answer or none at its end; None if the response has no reasoning."""
    head, marker, _ = example.response.rpartition("Answer:")
    if not marker:
        return None
    return f"{head}{example.answer} is what comes to mind. Answer: not sure"


def contradiction(example: Example, graph: KnowledgeGraph) -> str:
    """Return the right answer and another one."""
    return f"Answer: {example.answer}. Answer: {_other(example, graph)}"


def reasoned_contradiction(example: Example, graph: KnowledgeGraph) -> str | None:
    """Return the whole right response, followed by another answer."""
    return f"{example.response}. Answer: {_other(example, graph)}" if "Answer:" in example.response else None


def claimed_before(example: Example, graph: KnowledgeGraph) -> str | None:
    """Return another answer in words, followed by the whole right response."""
    return f"The answer is {_other(example, graph)}. {example.response}" if "Answer:" in example.response else None


def taken_back(example: Example, graph: KnowledgeGraph) -> str | None:
    """Return the whole right response, taken back by a sentence without a mark."""
    return f"{example.response}. No, {_other(example, graph)}." if "Answer:" in example.response else None


def boxed(example: Example, graph: KnowledgeGraph) -> str | None:
    """Return another answer in a box, followed by the whole right response."""
    return f"\\boxed{{{_other(example, graph)}}} {example.response}" if "Answer:" in example.response else None


def denied(example: Example, graph: KnowledgeGraph) -> str:
    """Return the right answer, denied."""
    return f"Answer: not {example.answer}"


def unseen_letters(example: Example, graph: KnowledgeGraph) -> str:
    """Return the right response with an invisible letter in it."""
    return example.response.replace(example.answer, f"{example.answer[:1]}\u200b{example.answer[1:]}")


def another_script(example: Example, graph: KnowledgeGraph) -> str | None:
    """Return the right response, and another answer in look-alikes of Latin letters."""
    other = _other(example, graph).translate(_LOOKALIKES)
    return None if other.isascii() else f"{example.response} {other}"


Probe = Callable[[Example, KnowledgeGraph], str | None]
PROBES: dict[str, Probe] = {
    probe.__name__: probe
    for probe in (
        empty, refusal, all_options, all_letters, entity_soup, prompt_echo, repeated_marks, nested_tags, very_long, look_alikes,
        only_in_the_reasoning, contradiction, reasoned_contradiction, claimed_before, taken_back, boxed, denied, unseen_letters,
        another_script,
    )
}  # fmt: skip
"""Name to probe; a probe returns None if it does not apply to a record."""


def honest_wrong(example: Example, graph: KnowledgeGraph) -> str:
    """Return a wrong answer in good form: the reference response with another answer at its end, or in place of the right one."""
    other = _other(example, graph)
    head, marker, _ = example.response.rpartition("Answer:")
    if marker:
        return f"{head}Answer: {other}"
    if example.response in "ABCDEFGH" and example.options:
        return next(chr(ord("A") + i) for i, option in enumerate(example.options) if option != example.answer)
    for name in (*example.accepted, example.answer):
        if name in example.response:
            return example.response.replace(name, other)
    return other


def _other(example: Example, graph: KnowledgeGraph) -> str:
    """Return another answer of the same kind."""
    if example.options:
        return next(option for option in example.options if option != example.answer)
    right = {graph.resolve(name) for name in (example.answer, *example.accepted)}
    node = graph.resolve(example.answer)
    if node is None:
        return {"yes": "no", "no": "yes", "maybe": "yes"}.get(example.answer.casefold(), "987654 mg")
    kin = (n for n in graph.nodes(graph.node(node).kind) if n.id not in right and n.id not in example.entities)
    return next((n.name for n in kin), "something else")


@dataclass(frozen=True)
class Breach:
    """A probe that scores too high.

    Attributes:
        probe: Name of the probe.
        example_id: Id of the record.
        completion: The probe's completion.
        score: Score of the probe.
        wrong: Score of an honest wrong answer.
        right: Score of the reference response.
    """

    probe: str
    example_id: str
    completion: str
    score: float
    wrong: float
    right: float

    def __str__(self) -> str:
        paid = f"{self.score:.2f} (right {self.right:.2f}, honest wrong {self.wrong:.2f})"
        return f"{self.probe} on {self.example_id}: {paid}: {self.completion[:80]!r}"


def paid_probes(
    score: Callable[[Sequence[Example], Sequence[str]], list[Score]],
    examples: Sequence[Example],
    graph: KnowledgeGraph,
    probes: Mapping[str, Probe] = PROBES,
    gap: float = GAP,
) -> tuple[list[Breach], int]:
    """Run probes against a scorer.

    Args:
        score: A reward, or a capability's `reward`.
        examples: Records whose `response` is right; those on which the scorer abstains, or scores below the gap, are skipped.
        graph: Graph of the examples.
        probes: Name to probe.
        gap: Required difference between the scores of the right response and of a probe.

    Returns:
        The breaches, and the number of probes tried. A probe that is itself a right response, word for word, is not tried.
    """
    found, tried = [], 0
    for example in examples:
        texts = {name: text for name, probe in probes.items() if (text := probe(example, graph)) is not None and text != example.response}
        lines = [example.response, honest_wrong(example, graph), *texts.values()]
        right, wrong, *paid = score([example] * len(lines), lines)
        if right is None or right < gap:  # no reward to gain
            continue
        for (name, text), value in zip(texts.items(), paid, strict=True):
            tried += 1
            if value is not None and value > min(wrong or 0.0, right - gap) + 1e-9:
                found.append(Breach(name, example.example_id, text, value, wrong or 0.0, right))
    return found, tried


def reward_breaches(reward: Reward, examples: Sequence[Example], graph: KnowledgeGraph) -> tuple[list[Breach], int]:
    """Prepare a reward and run every probe against it."""
    reward.prepare(graph)
    return paid_probes(reward, examples, graph)


def as_given(example: Example, response: str) -> Example:
    """Return the record with another reference response, for a reward whose right response is not that of the record."""
    return replace(example, response=response)


__all__ = ["GAP", "PROBES", "Breach", "Probe", "as_given", "honest_wrong", "paid_probes", "reward_breaches"]
