"""The English phrases that say for or against what is said of a drug, each with its effect; `bbflow.text.drug_stance` walks over them."""

from __future__ import annotations

from typing import NamedTuple

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
would be wrong not to | would be a mistake not to | would be wrong to withhold | would be a mistake to withhold
would be dangerous to withhold
"""
"""These advise, whatever negation stands before them."""

_AGAINST = """
withholding | omitting
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
be a mistake | would be a mistake | would be wrong | would be dangerous | would be harmful | would be unsafe | would be risky
interacts with | is a poor | is out | was ruled out | is risky
"""
_NEUTRAL = "use of"
_BUT = "but | however | yet | unfortunately"
_END = "because | since | although | though | whereas | while | despite | unless | therefore | so | which | who"
DOUBLE = {
    "contraindicated", "unsafe", "dangerous", "harmful", "excluded", "ruled", "avoided", "forbidden", "prohibited", "wrong", "withheld",
    "stopped", "discontinued", "held", "omitted", "denied",
}  # fmt: skip
"""After `not` these say that nothing speaks against the drug, which is no advice either."""

SWAPS = {"switch", "change", "changed", "replace", "swap", "exchange"}
WITHDRAWALS = {
    "avoid", "stop", "discontinue", "hold", "withhold", "withdraw", "omit", "skip", "exclude", "reject", "refuse", "forbid", "without",
    "cease", "other", "except",
}  # fmt: skip
"""After a negation these advise: `do not stop`, `never withhold`, `must not go without`."""
GIVING = {"giving", "using", "starting", "prescribing", "taking", "offering", "adding", "continuing", "treating", "choosing", "receiving"}
OMISSIONS = {"avoiding", "withholding", "omitting", "refusing", "denying"}
BLAME = {"mistake", "wrong", "dangerous", "unsafe", "harmful", "inappropriate", "risky"}
"""`Not giving it would be a mistake` advises: a sentence that begins with leaving a drug out and blames it."""
FACTS = frozenset(
    """
    treat treats causes cause lowers raises blocks inhibits reduces increases decreases prevents belongs class blocker inhibitor agonist
    antagonist kind side relieves controls widens narrows slows thins interacts worsens binds acts means known called excreted
    metabolised metabolized contains requires harms helped triggers
    """.split()  # noqa: SIM905 (a list would be a page long)
)
"""A sentence with one of these states a fact about a drug that no cue reaches."""
REACH = 6
"""Words that lie at most between a history and its drug."""
PARTICLES = {"not", "never", "no", "cannot", "t", "without", "neither", "nor"}
PRONOUNS = {"it", "this", "that", "they", "these", "both"}
FILLER = frozenset(
    """
    a b c d e the drug drugs and or mg g mcg ug μg ng kg once twice daily day per every hours hour h q po iv oral orally by mouth
    tablet tablets answer option choice i ii iii common therapy clinical medication medicine with of times bid tid qid
    """.split()  # noqa: SIM905 (a list would be a page long)
)


class Cue(NamedTuple):
    """A phrase: its words, those after the first, its effect, and whether it holds a particle of negation."""

    words: tuple[str, ...]
    rest: list[str]
    effect: str
    negates: bool


def _table() -> dict[str, list[Cue]]:
    table: dict[str, list[Cue]] = {}
    for text, effect in (
        (_FORWARD, "+"), (_ANYWAY, "++"), (_NEUTRAL, "0"), (_AGAINST, "-"), (_SPOKEN, "?"), (_BACK_FOR, "back+"), (_BACK_AGAINST, "back-"),
        (_BUT, "but"), (_END, "end"),
    ):  # fmt: skip
        for phrase in text.replace("\n", "|").split("|"):
            words = tuple(phrase.split())
            if words:
                table.setdefault(words[0], []).append(Cue(words, list(words[1:]), effect, not PARTICLES.isdisjoint(words)))
    return {first: sorted(entries, key=lambda cue: -len(cue.words)) for first, entries in table.items()}


CUES = _table()
"""First word to its cues, the longest first."""

BY_TWO_WORDS: dict[str, tuple[dict[str, list[Cue]], Cue | None]] = {}
"""First word to the longer cues by their second word, and to the cue that it is by itself."""
for _first, _cues in CUES.items():
    _longer: dict[str, list[Cue]] = {}
    for _cue in _cues:
        if _cue.rest:
            _longer.setdefault(_cue.rest[0], []).append(_cue)
    BY_TWO_WORDS[_first] = _longer, next((cue for cue in _cues if not cue.rest), None)
TELLING = {*CUES, "take", "to", "with", "by", "for"}
