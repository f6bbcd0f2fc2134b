# ruff: noqa: RUF001, E501 (words of many scripts)
"""Which language is a text in? By script, then by its most frequent words; enough for the languages that IFEval asks for.

Nothing is trained and nothing is downloaded: a language is told apart from others of its script by short words that every text of some
length holds, and by letters that only it has.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_SCRIPTS = {
    "CYRILLIC": "cyrillic", "ARABIC": "arabic", "DEVANAGARI": "devanagari", "LATIN": "latin", "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh-cn",
    "HANGUL": "ko", "HEBREW": "he", "THAI": "th", "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml",
    "GUJARATI": "gu", "GURMUKHI": "pa", "GREEK": "el",
}  # fmt: skip
"""First word of a letter's Unicode name to its script, or to the language where the script has one alone."""

_WORDS = {
    "latin": {
        "en": "the of and to in is that it for was with as on be are this by you not have from or at an which but they his her we can will should has",
        "es": "el la los las de que y en un una es por con para no se del al lo como más pero sus este está ha son muy también puede",
        "pt": "o a os as de que e em um uma é por com para não se do da dos das no na mais mas seu está são muito também pode ao foi",
        "fr": "le la les de des et en un une est que pour dans ce il qui ne pas sur au avec plus par sont du elle être cette vous nous peut",
        "de": "der die das und ist in den von zu mit nicht ein eine auf für sich auch dem des es im werden wird sie bei sind oder als kann",
        "it": "il la lo gli le di che e un una è per con non si del della in dei più ma sono questo anche può nel alla come da ha",
        "pl": "i w na z nie się jest że do to o jak po co ale dla przez od są może być oraz tego jego który ma ich pod czy",
        "fi": "ja on ei se että hän oli joka mutta myös kun niin ovat sen tai voi olla ole kuin mitä tämä ne jos hänen vain siitä",
        "sw": "na ya wa ni kwa za la katika kuwa hii yake cha hiyo au si watu mtu kama lakini pia wake huu ana sana yao hayo wengi",
        "vi": "và của là có không được cho một các người trong với này đã những khi từ đến để về như bệnh cũng nhiều thể tôi",
        "nl": "de het een van en is dat in te op niet zijn voor met aan er ook maar als bij die worden kan naar om wordt dit deze",
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


def detect_language(text: str) -> str | None:
    """Returns the ISO 639-1 code of a text's language; None where nothing tells it.

    >>> detect_language("The patient should not take this drug with food."), detect_language("El paciente no debe tomar este medicamento.")
    ('en', 'es')
    >>> detect_language("患者は食事と一緒にこの薬を飲まないでください。"), detect_language("12345")
    ('ja', None)
    """
    scripts: Counter[str] = Counter()
    for letter in text:
        if letter.isalpha():
            scripts[_SCRIPTS.get(unicodedata.name(letter, "?").split()[0], "?")] += 1
    if scripts["ja"]:
        return "ja"  # Japanese is written with Chinese characters too
    if not scripts:
        return None
    script = scripts.most_common(1)[0][0]
    if script not in _SETS:
        return None if script == "?" else script
    lowered = text.casefold()
    words = re.findall(r"[^\W\d_]+(?:[\u0900-\u097f\u064b-\u0652]+[^\W\d_]*)*", lowered)
    scores = {language: float(sum(word in known for word in words)) for language, known in _SETS[script].items()}
    for language, letters in _LETTERS.items():
        if language in scores:
            scores[language] += 1.5 * sum(letter in letters for letter in lowered) ** 0.5
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] > 0 else None
