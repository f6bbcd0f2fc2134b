# ruff: noqa: RUF001, E501 (words of many scripts)
"""The language of a text, by its script and then by its most frequent words; enough for the languages that IFEval asks for.

Nothing is trained and nothing is downloaded: languages of one script differ in short words that every text of some length holds, and in
letters that one of them alone has. The rule `response_in_language` and the verifier of `language:response_language` both read with it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

_SCRIPTS = {
    "CYRILLIC": "cyrillic", "ARABIC": "arabic", "DEVANAGARI": "devanagari", "LATIN": "latin", "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh-cn",
    "HANGUL": "ko", "HEBREW": "he", "THAI": "th", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml",
    "GUJARATI": "gu", "GURMUKHI": "pa", "GREEK": "el",
}  # fmt: skip
"""First word of a letter's Unicode name to its script, or to the language where the script has one alone."""

_WORDS = {
    "latin": {
        "en": "the of and to in is that it for was with as on be are this by you not have from or at an which but they his her we can will should has if who there may must no do does give take avoid because patient answer treats drug a i he she me my your what when than then these those been were would could also some",
        "es": "el la los las de que y en un una es por con para no se del al lo como más pero sus este está ha son muy también puede unos su debe dar respuesta porque",
        "pt": "o a os as de que e em um uma é por com para não se do da dos das no na mais mas seu está são muito também pode ao foi como ou deve dar resposta porque este",
        "fr": "le la les de des et en un une est que pour dans ce il qui ne pas sur au avec plus par sont du elle être cette vous nous peut aux ou doit donner réponse chez car",
        "de": "der die das und ist in den von zu mit nicht ein eine auf für sich auch dem des es im werden wird sie bei sind oder als kann einen soll sollte wenn nach hat haben keine kein geben antwort weil",
        "it": "il la lo gli le di che e un una è per con non si del della in dei più ma sono questo anche può nel alla come da ha al o deve dare risposta perché",
        "pl": "i w na z nie się jest że do to o jak po co ale dla przez od są może być oraz tego jego który ma ich pod czy",
        "fi": "ja on ei se että hän oli joka mutta myös kun niin ovat sen tai voi olla ole kuin mitä tämä ne jos hänen vain siitä",
        "sw": "na ya wa ni kwa za la katika kuwa hii yake cha hiyo au si watu mtu kama lakini pia wake huu ana sana yao hayo wengi",
        "vi": "và của là có không được cho một các người trong với này đã những khi từ đến để về như bệnh cũng nhiều thể tôi",
        "nl": "de het een van en is dat in te op niet zijn voor met aan er ook maar als bij die worden kan naar om wordt dit deze moet of geen geven antwoord omdat door",
        "sv": "och att det som en på är av för med den till inte ett om har de han var kan från eller så vi men sig också",
        "ro": "și de la în nu care este pe cu un o mai din să sunt pentru au fi ca dar sau prin acest lui după fost",
        "id": "yang dan di ini itu dengan untuk tidak dari dalam akan pada juga saya ke karena tersebut bisa ada mereka oleh adalah",
        "tr": "ve bir bu için da de ile çok olarak daha olan gibi ne var ama değil sonra kadar her mi en o",
    },
    "cyrillic": {
        "ru": "и в не на что с по это как он но из у за от для то же все может при его был которые они также или быть",
        "uk": "і в не на що з та у як це за до від для він але його є при які може бути також або їх під є",
        "bg": "и на да се от за е в не с по са че като това при но ще който може също или до към него си",
    },
    "arabic": {
        "ar": "في من على أن إلى هذا التي الذي عن مع كان هو هي ما لا كل قد هذه بعد أو ذلك يمكن لم بين",
        "fa": "در از به که این را با است برای آن یک می بر تا های خود شود هم باید ما کرد شده دارد",
        "ur": "کے میں کی ہے اور سے کا کو ہیں پر یہ نے کہ ایک بھی نہیں وہ اس لیے تھا ہو جو کر گیا",
    },
    "devanagari": {
        "hi": "के में की है और से का को हैं पर यह ने कि एक भी नहीं वह इस लिए था हो जो कर गया",
        "mr": "आहे आणि या ते आहेत हे व मध्ये च्या असे तर होते त्या म्हणून हा ही नाही करून साठी झाले की पण",
        "ne": "छ र को मा पनि यो हो छन् गर्न भएको लागि तथा थियो हुन्छ गरेको एक त्यो बाट छैन हुन् गर्ने भने",
    },
}  # fmt: skip
_SETS = {script: {language: frozenset(words.split()) for language, words in table.items()} for script, table in _WORDS.items()}
_LETTERS = {
    "uk": "іїєґ",
    "ru": "ыэё",
    "fa": "پچژگ",
    "ur": "ٹڈڑےںہ",
    "de": "äöüß",
    "es": "ñ¿¡",
    "pt": "ãõ",
    "pl": "łąęśżźćń",
    "vi": "ơưđạảấầẩẫậắằẳẵặẹẻẽếềểễệ",
}
"""Letters that tell a language from others of its script."""


_TOKENS = re.compile(r"[^\W\d_]+(?:[\u0900-\u097f\u064b-\u0652]+[^\W\d_]*)*")


def detect_language(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language; None if nothing tells it.

    >>> detect_language("The patient should not take this drug with food."), detect_language("El paciente no debe tomar este medicamento.")
    ('en', 'es')
    >>> detect_language("患者は食事と一緒にこの薬を飲まないでください。"), detect_language("12345")
    ('ja', None)
    """
    scripts: Counter[str] = Counter()
    for letter in text:
        if letter.isalpha():
            scripts[_script(letter)] += 1
    if scripts["ja"]:
        return "ja"  # Japanese is written with Chinese characters too
    if not scripts:
        return None
    script = scripts.most_common(1)[0][0]
    if script not in _SETS:
        return None if script == "?" else script
    scores = language_scores(text, script)
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] > 0 else None


def language_scores(text: str, script: str = "latin") -> dict[str, float]:
    """Return how much speaks for each language of a script: its frequent words, and letters that it has alone.

    >>> scores = language_scores("Nehmen Sie dieses Medikament bitte jeden Morgen ein")
    >>> scores["de"], scores["en"]
    (2.0, 0.0)
    """
    lowered = text.casefold()
    words = _TOKENS.findall(lowered)
    scores = {language: float(sum(word in known for word in words)) for language, known in _SETS[script].items()}
    for language, letters in _LETTERS.items():
        if language in scores:
            scores[language] += 1.5 * sum(letter in letters for letter in lowered) ** 0.5
    return scores


def other_language(text: str, expected: str, words: Sequence[str] | None = None) -> str | None:
    """Return the language that a text in Latin letters is in where it is clearly not the expected one; None else.

    It takes four words, and frequent ones of the other language: two more, and half as many again, than of the expected one. A short answer
    such as a name belongs to any language.

    Args:
        text: The text.
        expected: ISO 639-1 code.
        words: Its words in lower case, where they are known; they save time where nearly all texts are as expected.

    >>> other_language("Nehmen Sie dieses Medikament bitte jeden Morgen ein", "en"), other_language("amlodipine, a calcium blocker", "en")
    ('de', None)
    """
    if words is not None and text.isascii():
        own, others = _own_and_others(expected)
        if 2 * sum(map(others.__contains__, words)) < sum(map(own.__contains__, words)):
            return None  # no language can have half as many hits again as the expected one
    scores = language_scores(text)
    best = max(scores, key=lambda language: scores[language])
    clear = scores[best] - scores[expected] >= 2 and scores[best] >= 1.5 * scores[expected]
    return best if clear and len(_TOKENS.findall(text)) >= 4 else None


@lru_cache
def _own_and_others(language: str) -> tuple[frozenset[str], frozenset[str]]:
    own = _SETS["latin"][language]
    return own, frozenset[str]().union(*_SETS["latin"].values()) - own


def count_non_latin(text: str) -> tuple[int, int]:
    """Return the number of letters of a text that are not Latin, and that of all its letters.

    >>> count_non_latin("5 µg of α-blocker"), count_non_latin("да no")
    ((1, 12), (2, 4))
    """
    letters = [c for c in text if c.isalpha()]
    return sum(not _latin(c) for c in letters), len(letters)


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    return _SCRIPTS.get(unicodedata.name(letter, "?").split()[0], "?")


@lru_cache(maxsize=4096)
def _latin(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(("LATIN", "FEMININE", "MASCULINE", "MICRO"))
