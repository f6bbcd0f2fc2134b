"""A rewriter that samples from a causal language model; only paraphrases that `faithful` accepts are used."""

from __future__ import annotations

from collections.abc import Sequence

from bbflow.errors import Problem
from bbflow.records import Message
from bbflow.synthesis.rewriting.base import Rewriter
from bbflow.synthesis.rewriting.policy_sampler import PolicySampler

INSTRUCTION = (
    "Say the following question in other words. Keep every medical name and every number exactly as it is, add nothing, leave nothing out, "
    "and write the new question alone.\n\n{text}"
)


class LanguageModelRewriter(Rewriter):
    """Sample paraphrases from any causal language model that transformers can load.

    Args:
        path: `tiny`, a folder or a Hub id.
        tries: Samples for each text.
        temperature: Sampling temperature.
        max_new_tokens: Longest paraphrase.
        batch_size: Texts of one batch.
        instruction: Prompt of the model; `{text}` is the question.
    """

    def __init__(
        self,
        path: str,
        tries: int = 4,
        temperature: float = 0.8,
        max_new_tokens: int = 96,
        batch_size: int = 16,
        instruction: str = INSTRUCTION,
    ) -> None:
        self.path, self.tries, self.temperature = path, tries, temperature
        self.max_new_tokens, self.batch_size, self.instruction = max_new_tokens, batch_size, instruction
        self._sampler = PolicySampler(path, tries, temperature, max_new_tokens, batch_size)

    def problems(self, where: str) -> list[Problem]:
        """List sampling settings that yield no text, and an instruction without the question."""
        lacks = Problem("the instruction does not hold the question, {text}", f"{where}.instruction")
        return [*self._sampler.problems(where), *([] if "{text}" in self.instruction else [lacks])]

    def __call__(self, texts: Sequence[str], seed: int) -> list[list[str]]:
        """Propose wordings."""
        prompts = [[Message(role="user", content=self.instruction.replace("{text}", text))] for text in texts]
        return [[_clean(text) for text in proposals] for proposals in self._sampler(prompts, seed)]


def _clean(text: str) -> str:
    """Return the first line without quotation marks around it."""
    return (text.strip().splitlines() or [""])[0].strip().strip('"').strip()
