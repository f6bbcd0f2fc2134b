"""A reward model as a reward: frozen, batched, calibrated."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from bbflow.errors import Problem
from bbflow.graph.knowledge_graph import KnowledgeGraph, fold
from bbflow.records import Example
from bbflow.rewards.base import Reward, Score
from bbflow.text.answers.consistency import denied, has_single_answer
from bbflow.text.answers.extraction import chosen_option, final_answers, has_answer_marker, mentioned_option
from bbflow.text.answers.obfuscation import is_obfuscated
from bbflow.text.answers.quantities import DECISIONS, decision, single_quantity
from bbflow.text.answers.refusals import REFUSING_ANSWERS, declines_to_answer
from bbflow.text.entity_linking import mentions, spellings

if TYPE_CHECKING:
    from bbflow.policies.reward_heads import RewardScorer
    from bbflow.policies.settings import PolicySettings

_log = logging.getLogger(__name__)


class LearnedReward(Reward):
    """Probability of being correct by a trained reward model, sigmoid(score / temperature). Range: [0, 1]. Pure: the model is frozen.

    A judge that reads evidence needs it in its prompt: for a closed-book record, `facts` adds the record's proof and as many
    distracting facts before the question; the policy never sees them. Completions unlike any training pair are not passed to the
    model and score 0 (`is_scorable`): an empty text, a repeated prompt, look-alike letters, no answer or more than were wanted, a
    denial, a refusal where none is right. Abstains on a truncated input (`truncated: score` scores the remaining part), and counts
    it in `truncated_count`. Weights are loaded at the first call; problems of the folder are reported before the run.

    Args:
        path: Folder that `RewardModel` wrote.
        head: Name of a head, or `gated` for the mixture.
        facts: Facts in the judge's prompt of a closed-book record; 0: the judge sees what the policy sees.
        truncated: Treatment of a truncated input: `abstain`, or `score` for the remaining part.
        batch_size: Rows of one forward pass.
        same_tokenizer: Whether a policy with another tokenizer is refused.
        device: Device of the model; null: a GPU if there is one.
    """

    def __init__(
        self,
        path: str,
        head: str = "gated",
        facts: int = 5,
        truncated: Literal["abstain", "score"] = "abstain",
        batch_size: int = 64,
        same_tokenizer: bool = True,
        device: str | None = None,
    ) -> None:
        self.path, self.head, self.facts, self.truncated = path, head, facts, truncated
        self.batch_size, self.same_tokenizer, self.device = batch_size, same_tokenizer, device
        self.truncated_count = 0
        self._scorer: RewardScorer | None = None
        self._graph: KnowledgeGraph | None = None

    def problems(self, where: str) -> list[Problem]:
        """List the problems of the folder or the head, without loading a weight."""
        from bbflow.policies.reward_heads import reward_model_problems

        found = reward_model_problems(self.path, f"{where}.path", self.head)
        for name, least in (("facts", 0), ("batch_size", 1)):
            if getattr(self, name) < least:
                found.append(Problem(f"{name} must be at least {least}, not {getattr(self, name)}", f"{where}.{name}"))
        return found

    def policy_problems(self, policy: PolicySettings, where: str) -> list[Problem]:
        """Report a policy whose tokenizer differs from the judge's; loads two tokenizers and no weight."""
        if not self.same_tokenizer or self.problems(where) or policy.problems(where):
            return []
        from transformers import AutoTokenizer

        from bbflow.policies.reward_heads import recorded_tokenizer, tokenizer_sha256

        tokenizer = AutoTokenizer.from_pretrained(policy.source, trust_remote_code=policy.trust_remote_code)
        if tokenizer_sha256(tokenizer) == recorded_tokenizer(self.path):
            return []
        hint = "train the reward model on this policy, or set same_tokenizer: false if texts are all that they share"
        return [
            Problem(
                f"the tokenizer of the reward model '{self.path}' differs from that of the policy '{policy.path}'", f"{where}.path", hint
            )
        ]

    def prepare(self, graph: KnowledgeGraph | None) -> None:
        """Keep the graph, the source of evidence."""
        self._graph = graph

    def __call__(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        """Score each completion in [0, 1]."""
        shown = [i for i, (e, text) in enumerate(zip(examples, completions, strict=True)) if is_scorable(e, text, self._graph)]
        scores: list[Score] = [0.0] * len(examples)
        for i, score in zip(
            shown, self._score([examples[i] for i in shown], [completions[i] for i in shown]) if shown else (), strict=True
        ):
            scores[i] = score
        return scores

    def _score(self, examples: Sequence[Example], completions: Sequence[str]) -> list[Score]:
        from bbflow.policies.reward_heads import GATED

        scorer = self._loaded()
        prompts = {id(e): self._judged(e).messages for e in examples}
        scored = scorer.score([prompts[id(e)] for e in examples], completions, self.batch_size)
        logits = scored.gated_N if self.head == GATED else scored.heads_NK[:, scorer.file.heads.index(self.head)]
        values = scorer.probability(logits, self.head).double().clamp(0, 1).tolist()
        cut = scored.truncated_N.tolist()
        if any(cut):
            if not self.truncated_count:
                _log.warning("the reward model reads %d tokens; longer inputs are cut, and %s", scorer.file.max_length,
                             "abstained on" if self.truncated == "abstain" else "scored in part")  # fmt: skip
            self.truncated_count += sum(cut)
        return [None if was_cut and self.truncated == "abstain" else value for value, was_cut in zip(values, cut, strict=True)]

    def _judged(self, example: Example) -> Example:
        """Return the record with the judge's prompt; the facts depend on the record alone."""
        if not self.facts or example.open_book or not example.edges or self._graph is None:
            return example
        from bbflow.synthesis.items.evidence import draw_evidence, with_evidence

        rng = random.Random(example.example_id)  # noqa: S311 (not for secrets)
        return with_evidence(self._graph, example, draw_evidence(self._graph, example, self.facts, rng))

    def _loaded(self) -> RewardScorer:
        if self._scorer is None:
            import torch

            from bbflow.policies.reward_heads import load_scorer

            self._scorer = load_scorer(self.path).to(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        return self._scorer


def is_scorable(example: Example, completion: str, graph: KnowledgeGraph | None = None) -> bool:
    """Return whether a completion has a form that a reward model is trained to judge: legible, with one answer if one is wanted.

    Right or wrong is left to the model. Rejected are forms that occur in no training pair: an empty text, a repeated prompt, a
    denied answer, no answer or more than were asked for, and a refusal to answer if the record does not refuse.

    >>> from bbflow.testing import CHOICE, GRAPH, OPEN
    >>> [is_scorable(CHOICE, text) for text in ("Answer: A", "", CHOICE.prompt, "Answer: A. Answer: B", "amlodipine")]
    [True, False, False, False, False]
    >>> [is_scorable(OPEN, f"Answer: {text}", GRAPH) for text in ("warfarin", "not aspirin", "aspirin, warfarin", "unsure")]
    [True, False, False, False]
    """
    if not fold(completion) or is_obfuscated(example, completion):
        return False
    if declines_to_answer(completion) and fold(example.answer) not in REFUSING_ANSWERS:
        return False
    if (has_answer_marker(example.response) or has_answer_marker(completion)) and not has_single_answer(example, completion):
        return False
    if example.options is not None:
        chosen, named = chosen_option(example, completion), mentioned_option(example, completion)
        return chosen is not None or (named is not None and not denied(example, completion, [example.options[named]]))
    if not has_answer_marker(completion) and len(completion.split()) >= _ECHO and fold(completion) in fold(example.prompt):
        return False
    return _answers_openly(example, completion, graph)


_ECHO = 6
"""Number of consecutive words of the prompt that count as an echo of it."""


def _answers_openly(example: Example, completion: str, graph: KnowledgeGraph | None) -> bool:
    """Return whether an open question gets an answer of its kind: a decision, an amount, or undenied names, at most as many as wanted."""
    golds, told = example.accepted or [example.answer], final_answers(completion)
    right = [] if graph is None else [node for gold in golds if (node := graph.resolve(gold)) is not None]
    if graph is not None and right:
        return _names_entities(example, completion, graph, right)
    if {fold(gold) for gold in golds} <= set(DECISIONS):
        return all(decision(text) is not None for text in told)
    if all(single_quantity(gold) is not None for gold in golds):
        return all(single_quantity(text) is not None for text in told)
    return not denied(example, completion, golds)


def _names_entities(example: Example, completion: str, graph: KnowledgeGraph, right: Sequence[str]) -> bool:
    asked = {node for node in example.entities[:1] if node not in right}
    named = [node for text in final_answers(completion) for node in mentions(graph, text) if node not in asked]
    wanted = len(example.edges) if len(example.accepted) > 1 else 1
    names = [name for node in named for name in (graph.name_of(node), *graph.node(node).synonyms)]
    return 0 < len(named) <= wanted and not denied(example, completion, [*names, *spellings(graph, completion, named)])
