"""The stance of a text towards each drug that it names, read from cues as NegEx reads negation (Chapman 2001)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from bbflow.text.drugs.stance_cues import Cue, Effect, StanceCues, break_between, comma_before, may_break_after
from bbflow.text.entity_linking import Mention
from bbflow.text.tokenization import TokenizedText

Stance = Literal["advised", "against", "spoken of", "unclear"]

_ADVICE_REACH = 4
"""Words after a negation within which it cancels a cue that advises: "do not give X"."""
_DOUBLE_NEGATION_REACH = 6
"""Words after a negation within which a word of withdrawal advises: "never suddenly stop X" advises X."""
_CANCELLATION_REACH = 3
"""Words after a negating cue within which it cancels a reason against a drug: "X is not absolutely contraindicated"."""
_HISTORY_REACH = 6
"""Most words between a cue that speaks of a drug and the drug: "history of a bad rash from X"."""
_PRONOUN_REACH = 3
"""Words before a cue that looks back in which a pronoun can mean an earlier drug: "X? It should be avoided"."""
_CONDITIONAL_REACH = 3
"""Most words between "would" and a cue that it makes hypothetical: "if it were not for the asthma, we would still give X"."""
_NO_NEGATION = -100
"""Position that lies farther back than any reach."""


class StanceReader:
    """Reads a text from left to right, once, and sets the stance of every drug that a cue reaches.

    A cue that looks forward sets `reach`, the stance of the drugs that follow; one that looks back sets the stance of the drugs
    before it. A sentence ends the reach of cues, and so do `but`, `because` and their like. There is one method per effect.

    To teach the reader a phrase, add it to the group of its effect in `stance_cues.yaml`, and a sentence with it to the list of
    `test_every_effect` in `tests/text/drugs/test_stance_cues.py`. So that "kick off with X" advises X:

        advises: [kick off with, give, prescribe, ...]      # stance_cues.yaml
        ("Kick off with warfarin.", "advised"),             # test_stance_cues.py

    For a new effect, add a member to `Effect`, a group of that name to the file, and a method to `EFFECTS`.

    Args:
        text: The text.
        drugs: The mentions of drugs, or of classes of drugs, in order.
        others: The first words of all other mentions.
        candidates: The words that a cue can begin with (`StanceCues.first_words`), in order.
        pronouns: The words that are pronouns, in order.
        cues: The cues.
        subjects: The first words of drugs that another reader reads; a cue that looks back past one means that one alone.
    """

    __slots__ = (
        "candidates", "clause", "counterfactual", "cues", "drug_stances", "drugs", "end", "first_word_at", "negated_at", "next_drug",
        "next_word", "others", "pending_negation", "previous_clause", "pronouns", "reach", "reach_from", "start", "starts_with_omission",
        "subjects", "swap_open", "text", "words",
    )  # fmt: skip

    def __init__(
        self,
        text: TokenizedText,
        drugs: Sequence[Mention],
        others: Sequence[int],
        candidates: Sequence[int],
        pronouns: Sequence[int],
        cues: StanceCues,
        subjects: Sequence[int] = (),
    ) -> None:
        self.text, self.words = text, text.words
        self.drugs, self.others, self.pronouns, self.cues, self.subjects = drugs, others, pronouns, cues, subjects
        self.first_word_at = {mention.first: number for number, mention in enumerate(drugs)}
        self.candidates = sorted({*candidates, *self.first_word_at})
        self.drug_stances: list[Stance | None] = [None] * len(drugs)
        self.next_drug = 0  # number of the next drug
        self.clause = self.previous_clause = 0  # numbers of the first drugs of this clause and of the one before
        self.next_word = 0  # the first word that belongs to no cue and no drug yet

    def stances(self) -> list[Stance | None]:
        """Return the stance of each drug; None if no cue reaches it."""
        before, candidates, effects, cue_at = -1, self.candidates, self.EFFECTS, self.cues.at
        for sentence in self._sentences():
            self._begin_sentence(sentence, follows=sentence == before + 1)
            before = sentence
            for i in candidates[bisect_left(candidates, self.start) : bisect_left(candidates, self.end)]:
                if i < self.next_word:
                    continue
                if i in self.first_word_at:
                    self._reach_drug(i)
                elif (cue := cue_at(self.text, i)) is not None:
                    self.next_word = self.reach_from = i + cue.size
                    effects[cue.effect](self, cue, i)
                elif self.swap_open:
                    self._complete_swap(i)
        return self.drug_stances

    def _sentences(self) -> list[int]:
        """Return the numbers of the sentences that can change a stance: those with a drug, and later ones with a pronoun."""
        bounds, first = self.text.bounds, self.drugs[0].first
        found = set()
        for drug in self.drugs:
            number = bisect_right(bounds, drug.first) - 1
            while bounds[number] < drug.last:  # a name can go on over the end of a line
                found.add(number)
                number += 1
        for pronoun in self.pronouns[bisect_left(self.pronouns, first - _PRONOUN_REACH) :]:
            number = bisect_right(bounds, pronoun) - 1
            # A cue that looks back can reach a pronoun at the end of the sentence before.
            while number < len(bounds) - 1 and bounds[number] <= pronoun + _PRONOUN_REACH:
                if bounds[number] > first:
                    found.add(number)
                number += 1
        return sorted(found)

    def _begin_sentence(self, sentence: int, follows: bool) -> None:
        # A skipped sentence has neither drugs nor pronouns, and so separates a pronoun from the drugs before it.
        self._begin_clause(self.clause if follows else self.next_drug)
        self.start, self.end = self.text.bounds[sentence], self.text.bounds[sentence + 1]
        self.counterfactual = False  # what would be done is not done
        self.starts_with_omission = False  # the subject of the sentence is the omission of a drug
        self.reach_from = self.start  # the word after the cue that set the reach, or after the last drug that it reached
        self.swap_open = False  # a preposition names the new drug: "switch from X to Y"
        self.pending_negation = False  # neither a drug nor an advising cue followed the last negation

    def _begin_clause(self, previous: int) -> None:
        self.previous_clause, self.clause = previous, self.next_drug
        self.reach: Stance | None = None  # the stance of the drugs that follow
        self.negated_at = _NO_NEGATION  # the last particle of negation that no drug followed

    def _reach_drug(self, i: int) -> None:
        """Set the stance of a drug to the reach, unless the drug is out of its reach."""
        number = self.first_word_at[i]
        if self.reach == "against":
            first = number == self.clause or self.drug_stances[number - 1] != "against"
            if first:
                out_of_reach = self._begins_after_comma(i) or self._begins_statement(number, self.reach_from - 1)
            else:
                last = self.drugs[number - 1].last
                out_of_reach = (
                    self._begins_after_comparison(i) or self._begins_statement(number, last - 1) or self._begins_after_break(i, last - 1)
                )
        else:
            out_of_reach = self.reach == "spoken of" and (
                i - self.reach_from > _HISTORY_REACH or any(self.reach_from <= other < i for other in self.others)
            )
        if out_of_reach:
            self.reach = None
        self.drug_stances[number] = self.reach
        if out_of_reach and self._is_confirmed(self.drugs[number].last):
            self.drug_stances[number] = "advised"
        self.next_drug = number + 1
        self.next_word = self.reach_from = self.drugs[number].last
        if self._word_in(self.next_word, self.cues.words.terminal) and self._ends_phrase(self.next_word + 1):
            self._oppose_from(self.clause)
        self.negated_at, self.pending_negation = _NO_NEGATION, False

    def _begins_after_comma(self, drug: int) -> bool:
        """Return whether a comma ends the reach before the first drug after a cue: "no smoking, X"."""
        words, lists = self.words, self.cues.words.lists
        if self.reach_from == drug or words[drug - 1] in lists or words[self.reach_from] in lists:
            return False
        return comma_before(self.text, drug)

    def _begins_statement(self, number: int, before: int) -> bool:
        """Return whether a drug is the subject of a new statement after a comma, a colon or a dash: "avoid Y, X is better"."""
        drug, after = self.drugs[number].first, self.drugs[number].last
        return (
            after < self.end
            and self._word_in(after, self.cues.words.predicates)
            and self.words[drug - 1] not in ("or", "nor")
            and break_between(self.text, max(before, self.start), drug)
        )

    def _begins_after_break(self, drug: int, before: int) -> bool:
        """Return whether a colon or a dash directly before a drug ends the reach: "not Y: X"."""
        text = self.text.text
        return (
            before == drug - 1
            and (":" in text or " -" in text or "\u2013" in text or "\u2014" in text)
            and break_between(self.text, before, drug, strong=True)
        )

    def _is_confirmed(self, after: int) -> bool:
        """Return whether a drug that begins anew is chosen by the word after it: "X instead", "X is."."""
        if not self._word_in(after, self.cues.words.predicates) or after >= self.end:
            return False
        return self.words[after] == "instead" or (self.words[after] in ("is", "are", "does", "will") and after + 1 == self.end)

    def _begins_after_comparison(self, drug: int) -> bool:
        """Return whether a comma ends the reach before a later drug: "rather than X, Y"."""
        since = self.reach_from
        compared = since == drug and self.words[max(0, since - 3) : since][:2] in (["rather", "than"], ["instead", "of"])
        return compared and comma_before(self.text, drug)

    def _complete_swap(self, i: int) -> None:
        """Advise what follows the preposition of a swap, unless the clause names no drug before it: "switch from X to Y"."""
        if self.words[i] in self.cues.words.swap_prepositions and self.next_drug > self.clause:
            self.reach, self.swap_open = "advised", False

    def _is_conditional(self, i: int) -> bool:
        """Return whether a cue says what would be done in a counterfactual sentence."""
        conditional = self.cues.words.conditional
        return self.counterfactual and not conditional.isdisjoint(self.words[max(self.start, i - _CONDITIONAL_REACH) : i + 1])

    def _advises(self, cue: Cue, i: int) -> None:
        self.pending_negation = False
        if self._is_conditional(i):
            self.reach = "spoken of"
            return
        if i - self.negated_at > _ADVICE_REACH:
            self._advise_by_pronoun()

    def _advises_by_double_negation(self, cue: Cue, i: int) -> None:
        self.pending_negation = False
        self._advise_by_pronoun()

    def _advise_by_pronoun(self) -> None:
        """Advise what follows, and the last drug of the clause before where a pronoun follows: "...; so give it"."""
        self.reach = "advised"
        after = self.next_word
        if self._word_in(after, self.cues.words.pronouns) and after not in self.text.stops and self.clause == self.next_drug > 0:
            self.drug_stances[self.next_drug - 1] = "advised"

    def _advises_despite_negation(self, cue: Cue, i: int) -> None:
        self.reach, self.negated_at, self.pending_negation = "advised", _NO_NEGATION, False

    def _neutral(self, cue: Cue, i: int) -> None:
        if self.reach != "against":
            self.reach = None

    def _opposes(self, cue: Cue, i: int) -> None:
        """Oppose the drugs that follow, or advise them after a negation: "avoid X" opposes X, "never stop X" advises it."""
        if i == self.start:
            self.starts_with_omission = cue.omits or self._word_in(self.next_word, self.cues.words.administrations)
        if self.pending_negation and cue.withdraws and i - self.negated_at <= _DOUBLE_NEGATION_REACH:
            self._advises_despite_negation(cue, i)
        elif not (cue.negates and self._skip_cancelled()):
            if cue.ends_negated:
                first = self._look_back(i)
                if cue.size > 1:
                    self._oppose_from(first)
            if i == self.start and self.words[i] == "without":  # "without asthma, X would be an option"
                self.counterfactual = True
            if self._ends_phrase(i + cue.size) and self.words[i - 1] not in self.cues.words.sequences:
                self._oppose_from(self.clause)
            self._oppose_following(cue)

    def _heads_list(self, after: int) -> bool:
        """Return whether a colon follows a cue with no drug before it, so that it means what stands behind: "STOPPED: X"."""
        return (
            self.clause == self.next_drug
            and after < self.end
            and f"{self.words[after - 1]}:" in self.text.text.lower()
            and ":" in self.text.text[slice(*self.text.span(after - 1, after + 1))]
        )

    def _ends_phrase(self, after: int) -> bool:
        """Return whether a cue ends its sentence or a part of it, so that it means what stands before: "X: never", "X - STOP (edema)"."""
        return self.next_drug > self.clause and (
            after >= self.end or (may_break_after(self.text, after - 1) and break_between(self.text, after - 1, after))
        )

    def _opposes_before(self, cue: Cue, i: int) -> None:
        """Oppose the drugs before the cue, or advise them where it blames their omission.

        "Withholding X would be a mistake" advises X; "X is contraindicated" opposes it.
        """
        if self.starts_with_omission and cue.blames:
            self.drug_stances[self.clause : self.next_drug] = ["advised"] * (self.next_drug - self.clause)
        elif not (cue.negates and self._skip_cancelled()):
            self._oppose_from(self._look_back(i))
            if cue.negates or self._heads_list(i + cue.size):
                self._oppose_following(cue)

    def _skip_cancelled(self) -> bool:
        """Skip a reason against a drug that the negation before it cancels ("not contraindicated"); return whether there is one."""
        for i in range(self.next_word, min(self.next_word + _CANCELLATION_REACH, self.end)):
            if i in self.first_word_at:
                return False
            if self.words[i] in self.cues.words.cancelled_by_negation:
                self.next_word = i + 1
                return True
        return False

    def _look_back(self, i: int) -> int:
        """Return the first drug that an opposing cue looks back at: by a pronoun, one of the clause before.

        The last drug before a pronoun is opposed here, even where it was advised.
        """
        if self.clause == self.next_drug and not self.cues.words.pronouns.isdisjoint(self.words[max(0, i - _PRONOUN_REACH) : i]):
            if self.previous_clause < self.next_drug:
                self.drug_stances[self.next_drug - 1] = "against"
            return self.previous_clause
        return self.clause

    def _oppose_from(self, first: int) -> None:
        """Oppose the drugs from one to the last one read, unless they are advised."""
        self.drug_stances[first : self.next_drug] = [s if s == "advised" else "against" for s in self.drug_stances[first : self.next_drug]]

    def _oppose_following(self, cue: Cue) -> None:
        self.reach, self.swap_open = "against", cue.swaps
        self.pending_negation = cue.negates
        self.negated_at = self.reach_from - 1 if cue.negates else _NO_NEGATION

    def _speaks_of(self, cue: Cue, i: int) -> None:
        self.reach = "spoken of"

    def _speaks_of_unless_opposed(self, cue: Cue, i: int) -> None:
        if self.reach != "against":
            self.reach = "spoken of"

    def _interacts(self, cue: Cue, i: int) -> None:
        """Oppose the drugs before the cue and speak of those that follow: "X interacts with Y"."""
        self._oppose_from(self.clause)
        self.reach = "spoken of"

    def _speaks_of_before(self, cue: Cue, i: int) -> None:
        """Speak of the drugs before the cue that have no stance: "X would have been an option"."""
        self.drug_stances[self.clause : self.next_drug] = [s or "spoken of" for s in self.drug_stances[self.clause : self.next_drug]]

    def _counterfactual(self, cue: Cue, i: int) -> None:
        """Let what would be done advise nothing: "if it were not for the asthma, we would give X"."""
        self.counterfactual, self.reach = True, None

    def _advises_before(self, cue: Cue, i: int) -> None:
        """Advise the drugs before the cue that have no stance: "X is preferred"."""
        if self._is_conditional(i):
            self._speaks_of_before(cue, i)
            return
        if self.next_drug and any(self.drugs[self.next_drug - 1].last <= subject < i for subject in self.subjects):
            return
        self.drug_stances[self.clause : self.next_drug] = [s or "advised" for s in self.drug_stances[self.clause : self.next_drug]]
        if self.clause == self.next_drug > 0 and self.words[i - 1] in self.cues.words.pronouns:
            self.drug_stances[self.next_drug - 1] = "advised"

    def _contrast(self, cue: Cue, i: int) -> None:
        self.counterfactual = False
        self._begin_clause(previous=self.clause)

    def _new_clause(self, cue: Cue, i: int) -> None:
        self.counterfactual = False
        self._begin_clause(previous=self.next_drug)

    def _word_in(self, i: int, words: frozenset[str]) -> bool:
        """Return whether there is a word at a position, and it is one of some words."""
        return i < len(self.words) and self.words[i] in words

    EFFECTS: ClassVar[dict[Effect, Callable[[StanceReader, Cue, int], None]]] = {
        Effect.ADVISES: _advises,
        Effect.ADVISES_BY_DOUBLE_NEGATION: _advises_by_double_negation,
        Effect.ADVISES_DESPITE_NEGATION: _advises_despite_negation,
        Effect.NEUTRAL: _neutral,
        Effect.OPPOSES: _opposes,
        Effect.SPEAKS_OF: _speaks_of,
        Effect.SPEAKS_OF_UNLESS_OPPOSED: _speaks_of_unless_opposed,
        Effect.INTERACTS: _interacts,
        Effect.ADVISES_BEFORE: _advises_before,
        Effect.OPPOSES_BEFORE: _opposes_before,
        Effect.SPEAKS_OF_BEFORE: _speaks_of_before,
        Effect.COUNTERFACTUAL: _counterfactual,
        Effect.CONTRAST: _contrast,
        Effect.NEW_CLAUSE: _new_clause,
    }
    """The method of each effect, which takes the cue and its first word."""
