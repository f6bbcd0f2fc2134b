"""Verifiers of format constraints: the 25 instruction types of IFEval (arXiv 2311.07911), and additional types of bbflow.

Written from the paper; argument names are those of its data files. A verifier takes the completion and the arguments of the
constraint and returns whether it is met; to add a constraint, register a verifier under its type. `keywords:existence`,
`detectable_content:postscript` and `detectable_format:number_bullet_lists` are stricter than IFEval's: a keyword must be a
whole word, a postscript must begin a line, and a bullet must have content; `docs/rewards.md` lists every difference.

The verifiers deliberately share no code with the constraints that write references (`bbflow.synthesis.constraints`), nor, except for
language detection, with the readers of `bbflow.text`, so that the test cases of IFEval reveal a mistake in either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.records import Constraint
from bbflow.text.language import detect_language

Verifier = Callable[..., bool]
VERIFIERS: dict[str, Verifier] = {}
"""Type of a constraint to its verifier."""


def verifier(type: str) -> Callable[[Verifier], Verifier]:
    """Register a verifier under the type used in records."""

    def register(function: Verifier) -> Verifier:
        VERIFIERS[type] = function
        return function

    return register


def is_met(constraint: Constraint, completion: str) -> bool:
    """Return whether an unchanged completion meets a constraint (IFEval's strict accuracy).

    Raises:
        InputError: No verifier knows the type, or its arguments do not fit.
    """
    check = VERIFIERS.get(constraint["type"])
    if check is None:
        raise InputError(
            Problem(f"unknown constraint type '{constraint['type']}'", "constraints", did_you_mean(constraint["type"], VERIFIERS))
        )
    kwargs: dict[str, Any] = {name: value for name, value in constraint["kwargs"].items() if value is not None}
    try:
        return check(completion, **kwargs)
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(Problem(f"constraint '{constraint['type']}' does not take {kwargs}: {error}", "constraints")) from error


def is_met_loosely(constraint: Constraint, completion: str) -> bool:
    r"""Return whether any of eight edits of a completion meets a constraint (IFEval's loose accuracy); an empty edit does not count.

    The edits drop the first line, the last line, both or none, and the asterisks of Markdown or none, so that an introduction does
    not hide a right answer.

    >>> is_met_loosely(Constraint(type="startend:quotation", kwargs={}), 'Here it is:\n"aspirin"')
    True
    """
    return any(edit.strip() and is_met(constraint, edit) for edit in edits(completion))


def edits(text: str) -> list[str]:
    r"""Return the eight edits of IFEval's loose accuracy.

    >>> edits("Sure:\n*yes*")
    ['Sure:\n*yes*', '*yes*', 'Sure:', '', 'Sure:\nyes', 'yes', 'Sure:', '']
    """
    lines = text.split("\n")
    kept = [text, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return [*kept, *(part.replace("*", "") for part in kept)]


def _holds(count: int, relation: str, bound: int) -> bool:
    """Compare by one of IFEval's two relations."""
    if relation not in ("less than", "at least"):
        raise ValueError(f"the relation must be 'less than' or 'at least', not {relation!r}")
    return count < bound if relation == "less than" else count >= bound


def _occurs(word: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


# ---- specific to bbflow


@verifier("answer:letter")
def letter_only(text: str) -> bool:
    """Return whether the completion is one option letter and nothing else.

    >>> letter_only("B"), letter_only("(b)."), letter_only("B) aspirin")
    (True, True, False)
    """
    return re.fullmatch(r"\(?[A-Ha-h]\)?\.?", text.strip()) is not None


@verifier("answer:marked")
def marked_answer(text: str) -> bool:
    """Return whether the answer follows `Answer:`, which occurs once.

    >>> marked_answer("a treats b. Answer: a"), marked_answer("a"), marked_answer("Answer: a. Answer: b")
    (True, False, False)
    """
    return len(re.findall(r"answer\s*:\s*\S", text, re.IGNORECASE)) == 1


@verifier("keywords:existence")
def keywords_existence(text: str, keywords: Sequence[str]) -> bool:
    """Return whether every keyword occurs as a word, in any case.

    >>> keywords_existence("aspirin (Patient)", keywords=["patient"]), keywords_existence("outpatient", keywords=["patient"])
    (True, False)
    """
    return all(_occurs(word, text) for word in keywords)


@verifier("keywords:frequency")
def keywords_frequency(text: str, keyword: str, frequency: int, relation: str) -> bool:
    """Return whether a keyword occurs the given number of times, in any case, also within words.

    >>> keywords_frequency("pain, painful, Pain", keyword="pain", frequency=3, relation="at least")
    True
    """
    return _holds(text.casefold().count(keyword.strip().casefold()), relation, frequency)


@verifier("keywords:forbidden_words")
def forbidden_words(text: str, forbidden_words: Sequence[str]) -> bool:
    """Return whether none of the words occurs as a word, in any case.

    >>> forbidden_words("an outpatient", forbidden_words=["patient"]), forbidden_words("A Patient", forbidden_words=["patient"])
    (True, False)
    """
    return not any(_occurs(word, text) for word in forbidden_words)


@verifier("keywords:letter_frequency")
def letter_frequency(text: str, letter: str, let_frequency: int, let_relation: str) -> bool:
    """Return whether a letter occurs the given number of times, in any case.

    >>> letter_frequency("Anaemia", letter="a", let_frequency=4, let_relation="less than")
    True
    """
    return _holds(text.casefold().count(letter.strip().casefold()), let_relation, let_frequency)


@verifier("language:response_language")
def response_language(text: str, language: str) -> bool:
    """Return whether the text is in a language, given by its ISO 639-1 code; text whose language is not detected passes, as in IFEval.

    >>> response_language("Der Patient darf das nicht nehmen.", language="de"), response_language("He may not take it.", language="de")
    (True, False)
    """
    return detect_language(text) in (language, None)


@verifier("change_case:english_capital")
def english_capital(text: str) -> bool:
    """Return whether the text is English in capital letters only.

    >>> english_capital("TAKE THIS WITH FOOD."), english_capital("Take this with food.")
    (True, False)
    """
    return text.isupper() and detect_language(text) in ("en", None)


@verifier("change_case:english_lowercase")
def english_lowercase(text: str) -> bool:
    """Return whether the text is English in small letters only.

    >>> english_lowercase("take this with food."), english_lowercase("Take this with food.")
    (True, False)
    """
    return text.islower() and detect_language(text) in ("en", None)


@verifier("change_case:capital_word_frequency")
def capital_word_frequency(text: str, capital_frequency: int, capital_relation: str) -> bool:
    """Return whether the given number of words are all in capitals; a hyphenated word is one word.

    >>> capital_word_frequency("ACE-inhibitors and an ECG", capital_frequency=1, capital_relation="at least")
    True
    """
    words = re.findall(r"\w+(?:[-./]\w+)*", text)
    return _holds(sum(word.isupper() for word in words), capital_relation, capital_frequency)


@verifier("length_constraints:number_sentences")
def number_sentences(text: str, num_sentences: int, relation: str) -> bool:
    """Return whether the text has the given number of sentences; abbreviations and decimals do not end one.

    >>> number_sentences("Take 2.5 mg. Dr. Lee agrees!", num_sentences=3, relation="less than")
    True
    """
    return _holds(len(sentences(text)), relation, num_sentences)


_ABBREVIATIONS = r"(?:\b(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|approx|fig|no|jr|sr|inc|ltd|co)|\b[a-z])\.$"


def sentences(text: str) -> list[str]:
    """Split English text into sentences: at a full stop, question or exclamation mark before a space, unless an abbreviation ends there.

    >>> sentences("Dr. Lee gave 2.5 mg. Why? Pain!")
    ['Dr. Lee gave 2.5 mg.', 'Why?', 'Pain!']
    """
    found, start = [], 0
    for match in re.finditer(r"[.!?]+[\"')\]]*(?=\s|$)", text):
        if re.search(_ABBREVIATIONS, text[start : match.end()], re.IGNORECASE) and match.end() < len(text.rstrip()):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
    rest = text[start:].strip()
    return [sentence for sentence in (*found, rest) if sentence]


@verifier("length_constraints:number_words")
def number_words(text: str, num_words: int, relation: str) -> bool:
    """Return whether the text has the given number of words, which are runs of letters, digits and underscores.

    >>> number_words("well-known drug", num_words=3, relation="at least")
    True
    """
    return _holds(len(re.findall(r"\w+", text)), relation, num_words)


@verifier("length_constraints:number_paragraphs")
def number_paragraphs(text: str, num_paragraphs: int) -> bool:
    r"""Return whether the text has exactly the given number of paragraphs, separated by `***`, with no empty one between others.

    >>> number_paragraphs("one\n***\ntwo", num_paragraphs=2), number_paragraphs("one\n***\n***\ntwo", num_paragraphs=2)
    (True, False)
    """
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", text)]
    if not all(parts[1:-1]):
        return False
    return sum(map(bool, parts)) == num_paragraphs


@verifier("length_constraints:nth_paragraph_first_word")
def nth_paragraph_first_word(text: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    r"""Return whether the n-th of exactly so many paragraphs, separated by empty lines, begins with a word.

    >>> nth_paragraph_first_word("First, rest.\n\nThen eat.", num_paragraphs=2, nth_paragraph=2, first_word="then")
    True
    """
    parts = text.split("\n\n")
    count = sum(bool(part.strip()) for part in parts)
    if not 1 <= nth_paragraph <= count or not parts[nth_paragraph - 1].split():
        return False
    word = parts[nth_paragraph - 1].split()[0].lstrip("'").lstrip('"').lower()
    return count == num_paragraphs and re.split(r"[.,?!'\"]", word)[0] == first_word.lower()


@verifier("detectable_content:number_placeholders")
def number_placeholders(text: str, num_placeholders: int) -> bool:
    """Return whether the text has at least the given number of placeholders in square brackets.

    >>> number_placeholders("[name], [date]", num_placeholders=2)
    True
    """
    return len(re.findall(r"\[.*?\]", text)) >= num_placeholders


@verifier("detectable_content:postscript")
def postscript(text: str, postscript_marker: str) -> bool:
    r"""Return whether a line begins with the marker and continues after it.

    >>> postscript("aspirin\nP.S. Stay well.", postscript_marker="P.S."), postscript("aspirin P.S.", postscript_marker="P.S.")
    (True, False)
    """
    return re.search(rf"^[ \t]*{re.escape(postscript_marker)}[ \t]*\S", text, re.MULTILINE | re.IGNORECASE) is not None


@verifier("detectable_format:number_bullet_lists")
def number_bullet_lists(text: str, num_bullets: int) -> bool:
    r"""Return whether exactly the given number of lines begin with a bullet, `*` or `-`.

    >>> number_bullet_lists("* a\n* b", num_bullets=2), number_bullet_lists("**a**\\n* b", num_bullets=2)
    (True, False)
    """
    return len(re.findall(r"^[ \t]*(?:\*(?!\*)|-)[ \t]*\S", text, re.MULTILINE)) == num_bullets


@verifier("detectable_format:constrained_response")
def constrained_response(text: str) -> bool:
    """Return whether the text contains one of IFEval's three fixed sentences.

    >>> constrained_response("Well. My answer is maybe."), constrained_response("Maybe.")
    (True, False)
    """
    return any(f"My answer is {answer}." in text for answer in ("yes", "no", "maybe"))


@verifier("detectable_format:number_highlighted_sections")
def number_highlighted_sections(text: str, num_highlights: int) -> bool:
    """Return whether at least the given number of parts are highlighted between asterisks, none of them empty.

    >>> number_highlighted_sections("*one* and **two**", num_highlights=2), number_highlighted_sections("* * and **", num_highlights=1)
    (True, False)
    """
    single = re.findall(r"\*([^\n*]*)\*", text)
    double = re.findall(r"\*\*([^\n*]*)\*\*", text)
    return sum(bool(part.strip()) for part in (*single, *double)) >= num_highlights


@verifier("detectable_format:multiple_sections")
def multiple_sections(text: str, section_spliter: str, num_sections: int) -> bool:
    r"""Return whether the text has at least the given number of sections, each begun by a word and a number.

    >>> multiple_sections("Section 1\na\nSection 2\nb", section_spliter="Section", num_sections=2)
    True
    """
    return len(re.findall(rf"{re.escape(section_spliter.strip())}\s?\d+", text)) >= num_sections


@verifier("detectable_format:json_format")
def json_format(text: str) -> bool:
    r"""Return whether the whole text is JSON, optionally in a fenced block.

    >>> json_format('```json\n{"drug": "aspirin"}\n```'), json_format("{drug: aspirin}")
    (True, False)
    """
    body = re.sub(r"^```(?:json|Json|JSON)?|```$", "", text.strip()).strip()
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


@verifier("detectable_format:title")
def title(text: str) -> bool:
    r"""Return whether the text has a title that is not empty, in double angular brackets.

    >>> title("<<Summary>>\naspirin"), title("<< >> aspirin")
    (True, False)
    """
    return any(inner.strip("<> \t") for inner in re.findall(r"<<([^\n]+?)>>", text))


@verifier("combination:two_responses")
def two_responses(text: str) -> bool:
    """Return whether the text is two different responses, separated by six asterisks.

    >>> two_responses("aspirin ****** ibuprofen"), two_responses("aspirin ****** aspirin")
    (True, False)
    """
    parts = [part.strip() for part in text.split("******")]
    if not all(parts[1:-1]):
        return False
    filled = [part for part in parts if part]
    return len(filled) == 2 and filled[0] != filled[1]


@verifier("combination:repeat_prompt")
def repeat_prompt(text: str, prompt_to_repeat: str) -> bool:
    """Return whether the text begins with the request, word for word; case and outer space are ignored.

    >>> repeat_prompt("Which drug? Aspirin.", prompt_to_repeat="Which drug?")
    True
    """
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


@verifier("startend:end_checker")
def end_checker(text: str, end_phrase: str) -> bool:
    r"""Return whether the text ends with the phrase; case and closing quotation marks are ignored.

    >>> end_checker("aspirin\nTake care.", end_phrase="Take care."), end_checker("Take care. aspirin", end_phrase="Take care.")
    (True, False)
    """
    return text.strip().strip('"').casefold().endswith(end_phrase.strip().casefold())


@verifier("startend:quotation")
def quotation(text: str) -> bool:
    """Return whether the whole text is in one pair of double quotation marks.

    >>> quotation('"aspirin"'), quotation('aspirin'), quotation('"')
    (True, False, False)
    """
    stripped = text.strip()
    return len(stripped) > 2 and stripped.startswith('"') and stripped.endswith('"')


@verifier("punctuation:no_comma")
def no_comma(text: str) -> bool:
    r"""Return whether the text has no comma, in any script (IFEval looks for the ASCII comma alone).

    >>> no_comma("a and b"), no_comma("a, b"), no_comma("a\uff0c b")
    (True, False, False)
    """
    return not set(",\uff0c\u060c\u3001\ufe50").intersection(text)
