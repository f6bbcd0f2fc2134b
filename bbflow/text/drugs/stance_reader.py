"""The stance of a text towards each drug that it names, read from cues as NegEx reads negation (Chapman 2001)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from bbflow.text.drugs.stance_cues import Cue, Effect, StanceCues, comma_before
from bbflow.text.entity_linking import Mention
from bbflow.text.tokenization import TokenizedText

Stance = Literal["advised", "against", "spoken of", "unclear"]

_ADVICE_REACH = 4
"""Words after a negation within which it cancels a cue that advises."""
_DOUBLE_NEGATION_REACH = 6
"""Words after a negation within which a word of withdrawal advises."""
_CANCELLATION_REACH = 3
"""Words after a negating cue within which it turns a reason against a drug ("not contraindicated")."""
_HISTORY_REACH = 6
"""Words between a cue that speaks of a drug and the drug."""
_PRONOUN_REACH = 3
"""Words before a cue that looks back in which a pronoun can mean an earlier drug."""
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
    """

    __slots__ = (
        "candidates", "clause", "cues", "drugs", "end", "first_word_at", "following", "found", "negated_at", "negation_open", "omission",
        "others", "previous_clause", "pronouns", "reach", "reach_from", "start", "swap_open", "text", "unread", "words",
    )  # fmt: skip

    def __init__(
        self,
        text: TokenizedText,
        drugs: Sequence[Mention],
        others: Sequence[int],
        candidates: Sequence[int],
        pronouns: Sequence[int],
        cues: StanceCues,
    ) -> None:
        self.text, self.words = text, text.words
        self.drugs, self.others, self.pronouns, self.cues = drugs, others, pronouns, cues
        self.first_word_at = {mention.first: number for number, mention in enumerate(drugs)}
        self.candidates = sorted({*candidates, *self.first_word_at})
        self.found: list[Stance | None] = [None] * len(drugs)
        self.following = 0  # number of the next drug
        self.clause = self.previous_clause = 0  # numbers of the first drugs of this clause and of the one before
        self.unread = 0  # the first word that belongs to no cue and no drug yet

    def stances(self) -> list[Stance | None]:
        """Return the stance of each drug; None where no cue reaches it."""
        before, candidates, effects, cue_at = -1, self.candidates, self.EFFECTS, self.cues.at
        for sentence in self._sentences():
            self._begin_sentence(sentence, follows=sentence == before + 1)
            before = sentence
            for i in candidates[bisect_left(candidates, self.start) : bisect_left(candidates, self.end)]:
                if i < self.unread:
                    continue
                if i in self.first_word_at:
                    self._reach_drug(i)
                elif (cue := cue_at(self.text, i)) is not None:
                    self.unread = self.reach_from = i + cue.size
                    effects[cue.effect](self, cue, i)
                elif self.swap_open:
                    self._complete_swap(i)
        return self.found

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
        self._begin_clause(self.clause if follows else self.following)
        self.start, self.end = self.text.bounds[sentence], self.text.bounds[sentence + 1]
        self.omission = False  # the subject of the sentence is the omission of a drug
        self.reach_from = self.start  # the word after the cue that set the reach, or after the last drug that it reached
        self.swap_open = False  # a preposition names the new drug: "switch from X to Y"
        self.negation_open = False  # neither a drug nor an advising cue followed the last negation

    def _begin_clause(self, previous: int) -> None:
        self.previous_clause, self.clause = previous, self.following
        self.reach: Stance | None = None  # the stance of the drugs that follow
        self.negated_at = _NO_NEGATION  # the last particle of negation that no drug followed

    def _reach_drug(self, i: int) -> None:
        """Set the stance of a drug to the reach, unless the drug begins anew."""
        number = self.first_word_at[i]
        if self.reach == "against":
            first = number == self.clause or self.found[number - 1] != "against"
            anew = self._begins_after_comma(i) if first else self._begins_after_comparison(i)
        else:
            anew = self.reach == "spoken of" and (
                i - self.reach_from > _HISTORY_REACH or any(self.reach_from <= other < i for other in self.others)
            )
        if anew:
            self.reach = None
        self.found[number] = self.reach
        self.following = number + 1
        self.unread = self.reach_from = self.drugs[number].last
        self.negated_at, self.negation_open = _NO_NEGATION, False

    def _begins_after_comma(self, drug: int) -> bool:
        """Return whether a comma ends the reach before the first drug after a cue: "no smoking, X"."""
        words, lists = self.words, self.cues.words.lists
        if self.reach_from == drug or words[drug - 1] in lists or words[self.reach_from] in lists:
            return False
        return comma_before(self.text, drug)

    def _begins_after_comparison(self, drug: int) -> bool:
        """Return whether a comma ends the reach before a later drug: "rather than X, Y"."""
        since = self.reach_from
        compared = since == drug and self.words[max(0, since - 3) : since][:2] in (["rather", "than"], ["instead", "of"])
        return compared and comma_before(self.text, drug)

    def _complete_swap(self, i: int) -> None:
        """Advise what follows the preposition of a swap, unless the clause names no drug before it: "switch from X to Y"."""
        if self.words[i] in self.cues.words.swap_prepositions and self.following > self.clause:
            self.reach, self.swap_open = "advised", False

    def _advises(self, cue: Cue, i: int) -> None:
        self.negation_open = False
        if i - self.negated_at > _ADVICE_REACH:
            self._advise_by_pronoun()

    def _advises_by_double_negation(self, cue: Cue, i: int) -> None:
        self.negation_open = False
        self._advise_by_pronoun()

    def _advise_by_pronoun(self) -> None:
        """Advise what follows, and the last drug of the clause before where a pronoun follows: "...; so give it"."""
        self.reach = "advised"
        after = self.unread
        if self._word_in(after, self.cues.words.pronouns) and after not in self.text.stops and self.clause == self.following > 0:
            self.found[self.following - 1] = "advised"

    def _advises_despite_negation(self, cue: Cue, i: int) -> None:
        self.reach, self.negated_at, self.negation_open = "advised", _NO_NEGATION, False

    def _neutral(self, cue: Cue, i: int) -> None:
        if self.reach != "against":
            self.reach = None

    def _opposes(self, cue: Cue, i: int) -> None:
        if i == self.start:
            self.omission = cue.omits or self._word_in(self.unread, self.cues.words.administrations)
        if self.negation_open and cue.withdraws and i - self.negated_at <= _DOUBLE_NEGATION_REACH:
            self._advises_despite_negation(cue, i)
        elif not (cue.negates and self._skip_cancelled()):
            if cue.ends_negated:
                first = self._look_back(i)
                if cue.size > 1:
                    self._oppose_from(first)
            self._oppose_following(cue)

    def _opposes_before(self, cue: Cue, i: int) -> None:
        if self.omission and cue.blames:
            self.found[self.clause : self.following] = ["advised"] * (self.following - self.clause)
        elif not (cue.negates and self._skip_cancelled()):
            self._oppose_from(self._look_back(i))
            if cue.negates:
                self._oppose_following(cue)

    def _skip_cancelled(self) -> bool:
        """Skip a reason against a drug that the negation before it cancels ("not contraindicated"); return whether there is one."""
        for i in range(self.unread, min(self.unread + _CANCELLATION_REACH, self.end)):
            if i in self.first_word_at:
                return False
            if self.words[i] in self.cues.words.cancelled_by_negation:
                self.unread = i + 1
                return True
        return False

    def _look_back(self, i: int) -> int:
        """Return the first drug that an opposing cue looks back at: by a pronoun, one of the clause before.

        The last drug before a pronoun is opposed here, even where it was advised.
        """
        if self.clause == self.following and not self.cues.words.pronouns.isdisjoint(self.words[max(0, i - _PRONOUN_REACH) : i]):
            if self.previous_clause < self.following:
                self.found[self.following - 1] = "against"
            return self.previous_clause
        return self.clause

    def _oppose_from(self, first: int) -> None:
        """Oppose the drugs from one to the last one read, unless they are advised."""
        self.found[first : self.following] = [s if s == "advised" else "against" for s in self.found[first : self.following]]

    def _oppose_following(self, cue: Cue) -> None:
        self.reach, self.swap_open = "against", cue.swaps
        self.negation_open = cue.negates
        self.negated_at = self.reach_from - 1 if cue.negates else _NO_NEGATION

    def _speaks_of(self, cue: Cue, i: int) -> None:
        self.reach = "spoken of"

    def _speaks_of_unless_opposed(self, cue: Cue, i: int) -> None:
        if self.reach != "against":
            self.reach = "spoken of"

    def _interacts(self, cue: Cue, i: int) -> None:
        self._oppose_from(self.clause)
        self.reach = "spoken of"

    def _advises_before(self, cue: Cue, i: int) -> None:
        self.found[self.clause : self.following] = [s or "advised" for s in self.found[self.clause : self.following]]
        if self.clause == self.following > 0 and self.words[i - 1] in self.cues.words.pronouns:
            self.found[self.following - 1] = "advised"

    def _contrast(self, cue: Cue, i: int) -> None:
        self._begin_clause(previous=self.clause)

    def _new_clause(self, cue: Cue, i: int) -> None:
        self._begin_clause(previous=self.following)

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
        Effect.CONTRAST: _contrast,
        Effect.NEW_CLAUSE: _new_clause,
    }
    """The method of each effect, which takes the cue and its first word."""
