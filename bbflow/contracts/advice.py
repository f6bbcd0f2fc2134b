"""What a text advises: every drug it mentions, and whether it is advised, advised against, or just spoken of.

Cues are read from left to right, as NegEx does (Chapman 2001): `avoid`, `do not`, `instead of` turn what follows against the drug,
`give`, `start`, `answer:` for it; `is contraindicated`, `should be avoided` look back. A sentence, `but`, `because` and their like
end the reach of a cue. A drug that no cue reaches is spoken of where its sentence states a fact (`causes`, `lowers`, `is a`), and
otherwise it is unclear what is said of it, which no rule may take for harmless. English only.
"""

from __future__ import annotations

import itertools
from typing import Literal, NamedTuple

from bbflow.contracts.doses import daily_dose, front_dose
from bbflow.contracts.names import Mention, Words, names_of
from bbflow.contracts.row import Row
from bbflow.graph.knowledge_graph import KnowledgeGraph

Stance = Literal["advised", "against", "spoken of", "unclear"]


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


# Effects of a cue: `+` and `-` reach forward, `++` whatever was negated; `0` ends the reach of `+`; `?` speaks of what follows
# (a history); `back+` and `back-` look back; `but` and `end` end the reach of cues, and after `but` a pronoun still means the drug
# before it.
_FORWARD = """
give | prescribe | use | choose | begin | initiate | administer | recommend | suggest | offer | add | increase the | continue
prefer | start | select | pick | try | order | dispense | inject | consider | treat | switch to | change to | go with | opt for
put on | answer | resume | restart | should receive | should get | should take | must take | can take | may take | to take
and take | then take | first line is | choice is | option is | treatment is | therapy is | drug is | medication is | solution is
treated with should | best treated with | be treated with | recommended treatment | recommended drug | replace it with
replaced with | replaced by | double | needs | benefits from | would benefit from | do not hesitate to | do not forget to
do not forget | not only | do not stop | do not discontinue | do not withhold | do not avoid | no reason to avoid
no reason not to | no need to avoid | go for
"""
_ANYWAY = """
be afraid to | hesitate to | forget to | go wrong with | why not | nothing speaks against | nothing against | nothing wrong with
wrong not to | mistake not to | wrong to withhold | mistake to withhold | dangerous to withhold
"""
"""These advise, whatever negation stands before them."""

_AGAINST = """
avoid | avoids | avoiding | not | never | no | without | stop | stopping | discontinue | hold | withhold | withdraw | cease
against | instead of | rather than | refrain from | don t | can t | shouldn t | mustn t | isn t | won t | doesn t | neither | nor
exclude | excludes | reject | rejects | forbid | forbids | omit | skip | replace | switch from | changed from | other than
except | swap | exchange
switch | change | alternative to | alternatives to | contraindications to | contraindication to | refuse | decline
unsafe to | dangerous to | do not | rule out | rules out | ruling out | beware of | steer clear of | stay away from | taper off
wean off | no longer | instead replace
"""
_SPOKEN = """
takes | taking | took | is on | was on | currently on | already on | been on | history of | previously | received | receives
allergic to | allergy to | intolerant to | intolerant of | intolerance to | uses | used | because you take
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
_NEUTRAL = "use of"
_BUT = "but | however | yet | unfortunately"
_END = "because | since | although | though | whereas | while | despite | unless | therefore | so | which | who"
_DOUBLE = {"contraindicated", "unsafe", "dangerous", "harmful", "excluded", "ruled", "avoided", "forbidden", "prohibited", "wrong"}
"""After `not` these say that nothing speaks against the drug, which is no advice either."""

_SWAPS = {"switch", "change", "changed", "replace", "swap", "exchange"}
_WITHDRAWALS = {
    "avoid", "stop", "discontinue", "hold", "withhold", "withdraw", "omit", "skip", "exclude", "reject", "refuse", "forbid", "without",
    "cease", "other", "except",
}  # fmt: skip
"""After a negation these advise: `do not stop`, `never withhold`, `must not go without`."""
_FACTS = frozenset(
    """
    treat treats causes cause lowers raises blocks inhibits reduces increases decreases prevents belongs class blocker inhibitor agonist
    antagonist kind side relieves controls widens narrows slows thins interacts worsens binds acts means known called excreted
    metabolised metabolized contains requires harms helped triggers
    """.split()  # noqa: SIM905 (a list would be a page long)
)
"""A sentence with one of these states a fact about a drug that no cue reaches."""
_REACH = 6
"""Words that lie at most between a history and its drug."""
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
        (_FORWARD, "+"), (_ANYWAY, "++"), (_NEUTRAL, "0"), (_AGAINST, "-"), (_SPOKEN, "?"), (_BACK_FOR, "back+"), (_BACK_AGAINST, "back-"),
        (_BUT, "but"), (_END, "end"),
    ):  # fmt: skip
        for phrase in text.replace("\n", "|").split("|"):
            words = tuple(phrase.split())
            if words:
                table.setdefault(words[0], []).append((words, effect))
    return {first: sorted(entries, key=lambda e: -len(e[0])) for first, entries in table.items()}


CUES = _table()
_TELLING = {*CUES, "take", "to", "with", "by", "for"}


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
    others = sorted({m.first for m in mentions} - {m.first for m, _ in drugs})
    stances = _stances(words, [m for m, _ in drugs], others)
    fronts: list[tuple[int, int] | None] = []
    for i, (mention, _) in enumerate(drugs):
        fronts.append(front_dose(words, mention.first, drugs[i - 1][0].last if i else 0, bool(i and fronts[i - 1])))
    ends = [front[0] if front else mention.first for (mention, _), front in zip(drugs, fronts, strict=True)]
    advice = []
    for i, (mention, drug) in enumerate(drugs):
        daily, place = daily_dose(words, mention.last, [*ends, len(words.words)][i + 1], mention.first, fronts[i])
        stance = stances[i]
        if stance is None:
            stance = "advised" if daily is not None or _is_bare(words, mentions, mention) else _unsaid(words, mention)
        advice.append(Advice(drug, stance, (mention.first, mention.last), daily, place))
    return Reading(words, mentions, advice)


def _drug(mention: Mention, graph: KnowledgeGraph) -> str | None:
    drugs = [node for node in mention.nodes if graph.node(node).kind == "Drug"]
    return drugs[0] if len(drugs) == 1 else None


def _stances(text: Words, drugs: list[Mention], others: list[int]) -> list[Stance | None]:
    """Walks over the words once; None where no cue reaches a drug. `others` are the words at which anything but a drug is named."""
    words, found = text.words, [None] * len(drugs)  # type: list[str], list[Stance | None]
    state: Stance | None = None
    negated_at = -9  # word of the last negating particle that no drug followed yet
    since = 0  # word after the cue that the state comes from, or after the last drug that it reached
    clause, last_clause = 0, 0  # first drug of this clause, and of the one before
    swaps = fresh = False  # after `switch from`, `to` names the new drug; no drug and no cue followed a negation yet
    free, at = 0, 0
    begins = {m.first for m in drugs}
    for i in [i for i, w in enumerate(words) if w in _TELLING or i in begins or i in text.stops]:
        if i in text.stops:
            last_clause, clause, state, negated_at, swaps, fresh = clause, at, None, -9, False, False
        if i < free:
            continue
        if i in begins:
            far = i - since > _REACH or any(since <= other < i for other in others)
            anew = state == "against" and _after_comma(text, since, i, first=at == clause or found[at - 1] != "against")
            state = None if anew or (state == "spoken of" and far) else state
            found[at] = state
            free, at, negated_at, fresh = drugs[at].last, at + 1, -9, False
            since = free
            continue
        cue, effect = _cue(text, i)
        if not cue:
            if swaps and words[i] in ("to", "with", "by", "for") and at > clause:
                state, swaps = "advised", False
            continue
        size = len(cue)
        free = since = i + size
        doubled = fresh and i - negated_at <= 6
        if effect == "++" or (effect == "-" and doubled and words[i] in _WITHDRAWALS):
            state, negated_at, fresh = "advised", -9, False
        elif effect == "+":
            if i - negated_at > 4 or cue[:2] == ("do", "not"):
                state = "advised"
                if words[free : free + 1] and words[free] in _PRONOUNS and free not in text.stops and clause == at > 0:
                    found[at - 1] = "advised"  # "...; so give it"
            fresh = False
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
                negated_at, fresh = (i + size - 1, True) if particle else (-9, False)
        elif effect == "0":
            state = "against" if state == "against" else None
        elif effect == "?":
            if cue == ("interacts", "with"):
                found[clause:at] = [s if s == "advised" else "against" for s in found[clause:at]]
            if state != "against" or cue not in (("used",), ("uses",)):
                state = "spoken of"
        elif effect == "back+":
            found[clause:at] = [s or "advised" for s in found[clause:at]]
            if clause == at > 0 and words[i - 1] in _PRONOUNS:
                found[at - 1] = "advised"
        else:
            last_clause, clause, state, negated_at = (clause if effect == "but" else at), at, None, -9
    return found


def _after_comma(text: Words, since: int, drug: int, first: bool) -> bool:
    """Tells whether a drug begins anew after a comma: "no smoking, propranolol", "rather than amlodipine, propranolol"."""
    words = text.words
    if not first and (since != drug or words[max(0, since - 3) : since][:2] not in (["rather", "than"], ["instead", "of"])):
        return False
    if first and (since == drug or words[drug - 1] in _LISTS or words[since] in _LISTS):
        return False
    return "," in text.text[text.span(drug - 1, drug)[1] : text.span(drug, drug + 1)[0]]


_LISTS = frozenset("and or nor as like including especially g e drugs medicines medications agents any all".split())  # noqa: SIM905


def _unsaid(text: Words, mention: Mention) -> Stance:
    """Says of a drug that no cue reaches whether its sentence states a fact."""
    start = max(s for s in text.stops if s <= mention.first)
    end = min((s for s in text.stops if s > mention.first), default=len(text.words))
    words = text.words[start:end]
    stated = not _FACTS.isdisjoint(words) or any(a in ("is", "are") and b in ("a", "an", "one") for a, b in itertools.pairwise(words))
    return "spoken of" if stated else "unclear"


def _cue(text: Words, i: int) -> tuple[tuple[str, ...], str]:
    """Returns the longest cue at a word, none of it beyond the sentence, and its effect."""
    words = text.words
    for cue, effect in CUES.get(words[i], ()):
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
