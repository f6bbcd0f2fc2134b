"""What a text advises: every drug it mentions, and whether it is advised, advised against, or just spoken of.

Cues are read from left to right, as NegEx does (Chapman 2001): `avoid`, `do not`, `instead of` turn what follows against the drug,
`give`, `start`, `answer:` for it; `is contraindicated`, `should be avoided` look back. A sentence, `but`, `because` and their like
end the reach of a cue. A drug that no cue reaches is only spoken of. English only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from bbflow.contracts.names import Mention, Words, names_of
from bbflow.contracts.row import Row
from bbflow.graph.knowledge_graph import KnowledgeGraph

Stance = Literal["advised", "against", "spoken of"]


class Advice(NamedTuple):
    """A drug in a text: node id, stance, its words, and the milligrams a day that the text gives (None: no dose), with their words."""

    drug: str
    stance: Stance
    words: tuple[int, int]
    daily_mg: float | None
    dose_words: tuple[int, int]


class Reading(NamedTuple):
    """A text read: its words, the mentions of nodes, and what is said of each drug."""

    text: Words
    mentions: list[Mention]
    advice: list[Advice]


# Effects of a cue: `+` and `-` reach forward; `?` speaks of what follows (a history); `back+` and `back-` look back;
# `but` and `end` end the reach of cues, and after `but` a pronoun still means the drug before it.
_FORWARD = """
give | prescribe | use | choose | begin | initiate | administer | recommend | suggest | offer | add | increase the | continue
prefer | start | select | pick | try | order | dispense | inject | consider | treat | switch to | change to | go with | opt for
put on | answer | resume | restart | should receive | should get | should take | must take | can take | may take | to take
and take | then take | first line is | choice is | option is | treatment is | therapy is | drug is | medication is | solution is
treated with should | best treated with | be treated with | recommended treatment | recommended drug | replace it with
replaced with | replaced by | double | needs | benefits from | would benefit from | do not hesitate to | do not forget to
do not forget | not only | do not stop | do not discontinue | do not withhold | do not avoid | no reason to avoid
no reason not to | no need to avoid
"""
_AGAINST = """
avoid | avoids | avoiding | not | never | no | without | stop | stopping | discontinue | hold | withhold | withdraw | cease
against | instead of | rather than | refrain from | don t | can t | shouldn t | mustn t | isn t | won t | doesn t | neither | nor
exclude | excludes | reject | rejects | forbid | forbids | omit | skip | replace | switch from | changed from | other than
except | switch | change | alternative to | alternatives to | contraindications to | contraindication to | refuse | decline
unsafe to | dangerous to | do not | rule out | rules out | ruling out | beware of | steer clear of | stay away from | taper off
wean off | no longer | instead replace
"""
_SPOKEN = """
takes | taking | took | is on | was on | currently on | already on | been on | history of | previously | received | receives
allergic to | allergy to | intolerant to | intolerant of | intolerance to | use of | uses | used | because you take
compared with | compared to | such a | level of | levels of | monitor | unlike | than | no contraindication to
no contraindications to | interacts with | interaction with | interactions with | reaction to | response to | overdose of
toxicity of | effects of | effect of | while on | interaction between
"""
_BACK_FOR = """
is recommended | are recommended | is preferred | is the best | is best | is safe | are safe | is the safest | is appropriate
is indicated | is suitable | is the right | is a good | is the first | is first | is the drug | is the treatment
is the preferred | can be given | can be used | may be used | may be given | should be given | should be started | should be used
should be prescribed | should be taken | should be offered | would be | is fine | is acceptable | is advised | is the answer
is the correct | is the one | is my choice | should be continued | is an excellent | is the most | works best | is reasonable
is the choice | is ideal | must be given | must be started
"""
_BACK_AGAINST = """
contraindicated | is not | are not | should not | must not | may not | can not | cannot | isn t | aren t | shouldn t | mustn t
can t | should be avoided | must be avoided | be avoided | is avoided | is unsafe | are unsafe | is dangerous | is harmful
be harmful | be dangerous | is forbidden | is excluded | is ruled out | are ruled out | be stopped | be held | be withheld
be discontinued | is out of | was stopped | is no option | is no longer | is never | could kill | is wrong | be unsafe
would worsen | worsens | is prohibited | is off the table | should never | must never | is the wrong | is inappropriate
be a mistake | interacts with | is a poor | is out | was ruled out | is risky
"""
_BUT = "but | however | yet | unfortunately"
_END = "because | since | although | though | whereas | while | despite | unless | therefore | so | which | who"
_DOUBLE = {"contraindicated", "unsafe", "dangerous", "harmful", "excluded", "ruled", "avoided", "forbidden", "prohibited", "wrong"}
"""After `not` these say that nothing speaks against the drug, which is no advice either."""

_SWAPS = {"switch", "change", "changed", "replace"}
_PARTICLES = {"not", "never", "no", "cannot", "t", "without", "neither", "nor"}
_PRONOUNS = {"it", "this", "that", "they", "these", "both"}
_FILLER = frozenset(
    """
    a b c d e the drug drugs and or mg g mcg ug μg ng kg once twice daily day per every hours hour h q po iv oral orally by mouth
    tablet tablets answer option choice i ii iii common therapy clinical medication medicine with of times bid tid qid
    """.split()  # noqa: SIM905 (a list would be a page long)
)


def _table() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    table: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for text, effect in (
        (_FORWARD, "+"), (_AGAINST, "-"), (_SPOKEN, "?"), (_BACK_FOR, "back+"), (_BACK_AGAINST, "back-"), (_BUT, "but"), (_END, "end"),
    ):  # fmt: skip
        for phrase in text.replace("\n", "|").split("|"):
            words = tuple(phrase.split())
            if words:
                table.setdefault(words[0], []).append((words, effect))
    return {first: sorted(entries, key=lambda e: -len(e[0])) for first, entries in table.items()}


_CUES = _table()
_TELLING = {*_CUES, "take", "to", "with", "by"}


def read(row: Row, graph: KnowledgeGraph, column: str = "response") -> Reading:
    """Reads a text cell, once for all rules.

    Raises:
        Malformed: The cell is no text.
    """
    return row.memo(("reading", column, id(graph)), lambda: read_text(row.text(column), graph))


def read_text(text: str, graph: KnowledgeGraph) -> Reading:
    """Reads a text.

    Args:
        text: English prose.
        graph: The graph whose drugs are looked for.
    """
    words = Words(text)
    mentions = names_of(graph).mentions(words)
    drugs = [(m, drug) for m in mentions if (drug := _drug(m, graph)) is not None]
    if not drugs:
        return Reading(words, mentions, [])
    stances = _stances(words, [m for m, _ in drugs])
    advice = []
    for i, (mention, drug) in enumerate(drugs):
        end = drugs[i + 1][0].first if i + 1 < len(drugs) else len(words.words)
        daily, place = daily_dose(words, mention.last, end)
        stance = stances[i]
        if stance is None:
            stance = "advised" if daily is not None or _is_bare(words, mentions, mention) else "spoken of"
        advice.append(Advice(drug, stance, (mention.first, mention.last), daily, place))
    return Reading(words, mentions, advice)


def _drug(mention: Mention, graph: KnowledgeGraph) -> str | None:
    drugs = [node for node in mention.nodes if graph.node(node).kind == "Drug"]
    return drugs[0] if len(drugs) == 1 else None


def _stances(text: Words, drugs: list[Mention]) -> list[Stance | None]:
    """Walks over the words once; None where no cue reaches a drug."""
    words, found = text.words, [None] * len(drugs)  # type: list[str], list[Stance | None]
    state: Stance | None = None
    negated_at = -9  # word of the last negating particle that no drug followed yet
    clause, last_clause = 0, 0  # first drug of this clause, and of the one before
    swaps = False  # after `switch from`, `to` names the new drug
    free, at = 0, 0
    begins = {m.first for m in drugs}
    for i in [i for i, w in enumerate(words) if w in _TELLING or i in begins or i in text.stops]:
        if i in text.stops:
            last_clause, clause, state, negated_at, swaps = clause, at, None, -9, False
        if i < free:
            continue
        if i in begins:
            found[at] = state
            free, at, negated_at = drugs[at].last, at + 1, -9
            continue
        cue, effect = _cue(text, i)
        if not cue:
            if swaps and words[i] in ("to", "with", "by") and at > clause:
                state, swaps = "advised", False
            continue
        size = len(cue)
        free = i + size
        if effect == "+":
            if i - negated_at > 4 or cue[:2] == ("do", "not"):
                state = "advised"
        elif effect in ("-", "back-"):
            particle = _PARTICLES & set(cue)
            if particle and any(w in _DOUBLE for w in words[i + size : i + size + 3]):
                free = i + size + 3
                continue
            if effect == "back-" or cue[-1] in _PARTICLES:
                # Looks back at drugs of this clause that nothing was said of; after `but` or a full stop, by a pronoun, further.
                first = clause
                if clause == at and any(w in _PRONOUNS for w in words[max(0, i - 3) : i]):
                    first = last_clause
                    if last_clause < at:
                        found[at - 1] = "against"
                if effect == "back-" or size > 1:
                    found[first:at] = [s if s == "advised" else "against" for s in found[first:at]]
            if effect == "-" or particle:
                state, swaps = "against", cue[0] in _SWAPS
                negated_at = i + size - 1 if particle else -9
        elif effect == "?":
            if cue == ("interacts", "with"):
                found[clause:at] = [s if s == "advised" else "against" for s in found[clause:at]]
            if state != "against" or cue not in (("use", "of"), ("used",), ("uses",)):
                state = "spoken of"
        elif effect == "back+":
            found[clause:at] = [s or "advised" for s in found[clause:at]]
        else:
            last_clause, clause, state, negated_at = (clause if effect == "but" else at), at, None, -9
    return found


def _cue(text: Words, i: int) -> tuple[tuple[str, ...], str]:
    """Returns the longest cue at a word, none of it beyond the sentence, and its effect."""
    words = text.words
    for cue, effect in _CUES.get(words[i], ()):
        if cue == tuple(words[i : i + len(cue)]) and not any(j in text.stops for j in range(i + 1, i + len(cue))):
            return cue, effect
    # "take" is an order where a sentence begins with it, and a history elsewhere.
    if words[i] == "take" and (i in text.stops or words[i - 1] in ("please", "not", "never", "t")):
        return ("take",), "+"
    return (), ""


def _is_bare(text: Words, mentions: list[Mention], mention: Mention) -> bool:
    """Tells whether a sentence holds nothing but names of drugs, as a short answer does."""
    start = max(s for s in text.stops if s <= mention.first)
    end = min((s for s in text.stops if s > mention.first), default=len(text.words))
    named = {i for m in mentions for i in range(m.first, m.last)}
    return all(i in named or text.words[i] in _FILLER or text.words[i][0].isdigit() for i in range(start, end))


MILLIGRAMS = {"kg": 1e6, "g": 1e3, "mg": 1.0, "ug": 1e-3, "mcg": 1e-3, "µg": 1e-3, "μg": 1e-3, "ng": 1e-6}
"""Unit of mass to milligrams: UCUM codes, and common spellings of the microgram."""

_UNITS = {
    **MILLIGRAMS, "gram": 1e3, "grams": 1e3, "gm": 1e3, "milligram": 1.0, "milligrams": 1.0,
    "mgs": 1.0, "microgram": 1e-3, "micrograms": 1e-3,
}  # fmt: skip
_TIMES = {"once": 1, "twice": 2, "thrice": 3, "three": 3, "four": 4, "five": 5, "six": 6, "two": 2, "one": 1, "eight": 8, "twelve": 12}
_LATIN = {"qd": 1, "od": 1, "bid": 2, "bd": 2, "tid": 3, "tds": 3, "qid": 4, "qds": 4, "daily": 1, "nightly": 1, "qhs": 1}
_REACH = 8
"""A dose stands at most so many words behind its drug."""


def daily_dose(text: Words, first: int, end: int) -> tuple[float | None, tuple[int, int]]:
    """Returns the milligrams a day that a text gives between two words, and the words that say so; None where it gives none.

    A dose without a frequency counts once.

    >>> daily_dose(Words("0.5 g every 6 hours"), 0, 5)[0]
    2000.0
    """
    words = text.words
    for i in range(first, min(end - 1, first + _REACH)):
        if i in text.stops and i > first:
            return None, (0, 0)
        amount, unit = _number(words[i]), _UNITS.get(words[i + 1])
        if amount is None or unit is None:
            continue
        if (i + 3 < end and words[i + 2] == "kg") or words[i + 2 : i + 4] == ["per", "kg"]:
            return None, (0, 0)  # by weight: cannot be told
        after = [w for j, w in enumerate(words[i + 2 : min(end, i + 10)]) if not any(s in text.stops for s in range(i + 2, i + 3 + j))]
        return amount * unit * _per_day(after), (i, i + 2)
    return None, (0, 0)


def _per_day(after: list[str]) -> float:
    for i, word in enumerate(after):
        following = after[i + 1 : i + 3]
        if word in ("every", "q") and following:
            if following[0] in ("day", "morning", "night", "evening"):
                return 1.0
            hours = _number(following[0]) or _TIMES.get(following[0])
            if hours and following[1:2] in (["hours"], ["hour"], ["h"], ["hrs"], ["hourly"], []):
                return 24.0 / hours
        if following[:1] in (["times"], ["x"], ["doses"]) and (_number(word) or _TIMES.get(word)):
            return float(_number(word) or _TIMES[word])
        if word in ("once", "twice", "thrice"):
            return float(_TIMES[word])
        if word in _LATIN:
            return float(_LATIN[word])
        if word == "per" and following[:1] == ["day"]:
            return 1.0
    return 1.0


def _number(word: str) -> float | None:
    if not word[0].isdigit():
        return None
    return float(re.sub(r",(?=\d{3}(?:\D|$))", "", word).replace(",", "."))


_STEMS = tuple(
    """
    pril sartan olol dipine statin gliptin gliflozin glitazone cillin cycline floxacin mycin micin conazole prazole tidine
    triptan setron zepam zolam barbital oxetine pramine triptyline tinib parin xaban gatran grel lukast terol profen coxib
    oxicam dronate fibrate thiazide semide lactone glutide gabalin azosin idone apine romycin navir ciclovir tegravir buvir
    mivir olone nidazole
    """.split()  # noqa: SIM905 (a list would be a page long)
)
"""Stems of international non-proprietary names (WHO) that English words do not end in."""

_NO_DRUG = frozenset(
    """
    dose doses dosage dosing of give take about maximum minimum than to is are mg with daily day exceed exceeds least most up
    total only the a an at and or by from max over under below above approximately for starting initial single usual low high
    ceiling limit needs between then his her their this that it oral tablet tablets use start prescribe is was be no not them drug
    medication increase increased reduced reduce received gets taking takes took until every into in on as per weekly therefore
    clearly give giving
    """.split()  # noqa: SIM905 (a list would be a page long)
)


def unknown_drugs(reading: Reading, known: frozenset[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yields words that must be drugs, by their stem or since a dose follows, and that the graph does not know, with their characters.

    Args:
        reading: A text, read.
        known: Words that are no drugs or are known by other means.
    """
    text, words = reading.text, reading.text.words
    named = {i for m in reading.mentions for i in range(m.first, m.last)}
    for i in [i for i, w in enumerate(words) if w.endswith(_STEMS) or w in _UNITS]:
        stem = words[i].endswith(_STEMS)
        i = i if stem else i - 2  # the word before a dose
        word = words[i] if i >= 0 else ""
        if i in named or len(word) < 4 or word in known or word in _CUES or not word[0].isalpha():
            continue
        doses = not stem and i + 1 not in text.stops and _number(words[i + 1]) is not None and word not in _NO_DRUG
        if doses or (stem and any(word.endswith(s) and len(word) > len(s) + 1 for s in _STEMS)):
            yield word, text.span(i, i + 1)
