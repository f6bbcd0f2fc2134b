# ruff: noqa: RUF001 (words of many scripts)
"""Cases for the 25 instruction types: texts that meet a demand, texts that nearly do, and texts that do not."""

from __future__ import annotations

import json
import random

SENTENCES = [
    "Aspirin can irritate the stomach, so take it with food.", "The patient should drink enough water every day.",
    "Metformin is the first drug for most people with type 2 diabetes.", "Please ask a doctor before you stop the treatment.",
    "High blood pressure is often silent, but it harms the heart and the kidneys.", "A blood test shows whether the dose is right.",
    "Some patients feel dizzy when they stand up too fast.", "Warfarin needs regular checks because it thins the blood.",
    "Do not take two drugs of the same kind at the same time.", "An inhaler opens the airways within a few minutes.",
    "Asthma gets worse with smoke, cold air and infections.", "It is safe to exercise when the symptoms are under control.",
    "Is the pain worse at night?", "Call for help if the chest pain does not go away!", "Antibiotics do not work against a cold.",
    "Vitamin D helps the body to use calcium, and sunlight helps it to make vitamin D.", "The nurse will measure the weight once a week.",
    "Allergies to penicillin must be written down in the record.", "Rest is important after the operation.",
]  # fmt: skip
FOREIGN = {
    "es": "El paciente no debe tomar este medicamento con el estómago vacío porque puede causar dolor. La dosis es de una pastilla por la mañana.",
    "fr": "Le patient ne doit pas prendre ce médicament avec de l'alcool. Il faut boire beaucoup d'eau et se reposer pendant une semaine.",
    "de": "Der Patient darf dieses Medikament nicht zusammen mit Alkohol einnehmen. Die Dosis wird nach einer Woche wieder überprüft.",
    "it": "Il paziente non deve prendere questo farmaco con il latte. La dose è di una compressa al giorno dopo la colazione della mattina.",
    "pt": "O paciente não deve tomar este remédio com álcool. A dose é de um comprimido por dia e não deve ser mudada sem o médico.",
    "ru": "Пациент не должен принимать это лекарство вместе с алкоголем. Доза составляет одну таблетку в день после еды.",
    "bg": "Пациентът не трябва да приема това лекарство с алкохол. Дозата е една таблетка на ден след хранене и се променя само от лекар.",
    "ar": "يجب على المريض أن لا يتناول هذا الدواء مع الكحول. الجرعة هي حبة واحدة في اليوم بعد الأكل.",
    "fa": "بیمار نباید این دارو را با الکل مصرف کند. مقدار مصرف روزی یک قرص است که باید بعد از غذا خورده شود.",
    "hi": "रोगी को यह दवा शराब के साथ नहीं लेनी चाहिए। खुराक दिन में एक गोली है और इसे खाने के बाद लेना है।",
    "ko": "환자는 이 약을 술과 함께 복용해서는 안 됩니다. 용량은 하루에 한 알이며 식사 후에 복용합니다.",
    "ja": "患者はこの薬をアルコールと一緒に飲んではいけません。一日一錠を食後に飲んでください。",
    "th": "ผู้ป่วยไม่ควรรับประทานยานี้ร่วมกับแอลกอฮอล์ ขนาดยาคือวันละหนึ่งเม็ดหลังอาหาร",
    "vi": "Bệnh nhân không nên uống thuốc này với rượu. Liều dùng là một viên mỗi ngày sau khi ăn và không được thay đổi.",
    "pl": "Pacjent nie powinien przyjmować tego leku z alkoholem. Dawka to jedna tabletka dziennie po jedzeniu i nie może być zmieniona.",
    "fi": "Potilas ei saa ottaa tätä lääkettä alkoholin kanssa. Annos on yksi tabletti päivässä ruoan jälkeen, ja se on tärkeä.",
    "bn": "রোগীর এই ওষুধ অ্যালকোহলের সাথে খাওয়া উচিত নয়। মাত্রা দিনে একটি ট্যাবলেট খাবারের পরে।",
    "ta": "நோயாளி இந்த மருந்தை மதுவுடன் எடுத்துக்கொள்ளக் கூடாது. அளவு நாளொன்றுக்கு ஒரு மாத்திரை.",
}
KEYWORDS = ["patient", "dose", "heart", "water", "pain", "kidney", "warfarin", "surgery", "fever", "blood"]
RELATIONS = ["less than", "at least"]
PROMPTS = ["Which drug treats hypertension?", "Write about asthma.", "Explain the dose of aspirin to a patient."]


def prose(rng: random.Random, low: int = 1, high: int = 7) -> str:
    """Some sentences."""
    return " ".join(rng.choice(SENTENCES) for _ in range(rng.randint(low, high)))


def _near(rng: random.Random, count: int) -> int:
    return max(1, count + rng.choice([-1, 0, 0, 1, 2, -2]))


def _framed(rng: random.Random, text: str) -> str:
    """Sometimes with an introduction, which the loose reading forgives."""
    return f"Sure, here it is:\n{text}" if rng.random() < 0.15 else text


def existence(rng):
    return {"keywords": rng.sample(KEYWORDS, rng.randint(1, 2))}, _framed(rng, prose(rng, 2, 8))


def frequency(rng):
    return {"keyword": rng.choice(KEYWORDS), "frequency": rng.randint(1, 3), "relation": rng.choice(RELATIONS)}, prose(rng, 2, 9)


def forbidden(rng):
    return {"forbidden_words": rng.sample(KEYWORDS, rng.randint(1, 3))}, _framed(rng, prose(rng, 1, 6))


def letters(rng):
    text, letter = prose(rng), rng.choice("aeiotdkx")
    return {"letter": letter, "let_frequency": _near(rng, text.lower().count(letter)), "let_relation": rng.choice(RELATIONS)}, text


def language(rng):
    texts = {**FOREIGN, "en": prose(rng, 2, 4)}
    wanted = rng.choice(list(texts))
    return {"language": wanted}, texts[wanted if rng.random() < 0.5 else rng.choice(list(texts))]


def sentence_count(rng):
    text = prose(rng, 1, 8)
    if rng.random() < 0.2:
        text = text.replace("Aspirin", "Dr. Lee said that aspirin").replace("two", "2.5")
    return {"num_sentences": _near(rng, sum(text.count(c) for c in ".?!")), "relation": rng.choice(RELATIONS)}, text


def words(rng):
    text = prose(rng, 1, 6)
    return {"num_words": _near(rng, len(text.split())), "relation": rng.choice(RELATIONS)}, text


def paragraphs(rng):
    count = rng.randint(1, 4)
    text = rng.choice(["\n***\n", " *** ", "\n\n***\n\n"]).join(prose(rng, 1, 2) for _ in range(count))
    if rng.random() < 0.2:
        text = rng.choice([f"***\n{text}", f"{text}\n***", text.replace("***", "***\n***", 1)])
    return {"num_paragraphs": _near(rng, count)}, text


def first_word(rng):
    count = rng.randint(1, 4)
    parts = [prose(rng, 1, 2) for _ in range(count)]
    nth = rng.randint(1, count)
    word = parts[min(nth, count) - 1].split()[0].lower().strip(".,?!") if rng.random() < 0.7 else "finally"
    text = "\n\n".join(f'"{p}' if rng.random() < 0.1 else p for p in parts)
    wanted = count if rng.random() < 0.8 else _near(rng, count)  # the oracle draws the paragraph anew where there are not to be so many
    return {"num_paragraphs": wanted, "nth_paragraph": min(nth, wanted), "first_word": word}, text


def placeholders(rng):
    count = rng.randint(0, 4)
    return {"num_placeholders": rng.randint(1, 4)}, prose(rng, 1, 3) + "".join(f" [{w}]" for w in rng.sample(KEYWORDS, count))


def postscripts(rng):
    marker = rng.choice(["P.S.", "P.P.S"])
    told = rng.choice([marker, marker, marker, marker.lower(), "PS:", "N.B."])
    text = f"{prose(rng, 1, 3)}\n{told} {rng.choice(SENTENCES)}" if rng.random() < 0.75 else prose(rng, 1, 3)
    return {"postscript_marker": marker}, _framed(rng, text)


def bullets(rng):
    count = rng.randint(0, 5)
    mark = rng.choice(["* ", "- ", "  * "])
    text = "\n".join(
        [*([prose(rng, 1, 1)] if rng.random() < 0.3 or not count else []), *(mark + rng.choice(SENTENCES) for _ in range(count))]
    )
    if rng.random() < 0.15:
        text = "**Note**\n" + text
    return {"num_bullets": _near(rng, count)}, text


def constrained(rng):
    said = rng.choice(["My answer is yes.", "My answer is no.", "My answer is maybe.", "my answer is yes", "Yes.", "My answer is: no."])
    return {}, f"{prose(rng, 0, 2)} {said} {prose(rng, 0, 1)}".strip()


def highlights(rng):
    text = prose(rng, 2, 4).split()
    for _ in range(rng.randint(0, 4)):
        i = rng.randrange(len(text))
        text[i] = rng.choice([f"*{text[i]}*", f"**{text[i]}**", "* *"])
    return {"num_highlights": rng.randint(1, 4)}, " ".join(text)


def sections(rng):
    split, count = rng.choice(["Section", "SECTION"]), rng.randint(0, 4)
    used = split if rng.random() < 0.8 else "Part"
    return {"section_spliter": split, "num_sections": rng.randint(1, 4)}, "\n".join(
        f"{used} {i + 1}\n{prose(rng, 1, 1)}" for i in range(count)
    ) or "None."


def as_json(rng):
    text = json.dumps({rng.choice(KEYWORDS): rng.choice(SENTENCES), "n": rng.randint(0, 9)})
    text = rng.choice(
        [text, f"```json\n{text}\n```", f"```\n{text}\n```", text[:-1], text.replace('"', "'"), f"Here: {text}", prose(rng, 1, 1)]
    )
    return {}, text


def titles(rng):
    title = rng.choice(["<<Summary>>", "<< The dose >>", "<Summary>", "<<>>", "<<  >>", "Summary", "<<a\nb>>"])
    return {}, f"{title}\n{prose(rng, 1, 3)}"


def two(rng):
    one, other = prose(rng, 1, 1), prose(rng, 1, 1)
    mark = rng.choice(["******", "******", "\n******\n", "***", "*****"])
    return {}, rng.choice(
        [
            one + mark + other,
            one + mark + one,
            one + mark + other + mark + "third",
            one,
            mark + one + mark + other,
            one + mark + mark + other,
        ]
    )


def repeat(rng):
    prompt = rng.choice(PROMPTS)
    told = rng.choice([prompt, prompt, prompt.upper(), f" {prompt}", "Sure! " + prompt, prompt[:-3], prose(rng, 1, 1)])
    return {"prompt_to_repeat": prompt}, f"{told} {prose(rng, 1, 2)}"


def ends(rng):
    phrase = rng.choice(["Any other questions?", "Is there anything else I can help with?", "Take care."])
    told = rng.choice([phrase, phrase, phrase.upper(), f'"{phrase}"', phrase + " Bye.", phrase[:-1], ""])
    return {"end_phrase": phrase}, f"{prose(rng, 1, 3)} {told}".strip()


def capitals(rng):
    text = " ".join(w.upper() if rng.random() < 0.12 and len(w) > 3 else w for w in prose(rng, 2, 5).split())
    count = sum(w.isupper() for w in text.split())
    return {"capital_frequency": _near(rng, count), "capital_relation": rng.choice(RELATIONS)}, text


def upper(rng):
    text = prose(rng, 2, 4)
    foreign = FOREIGN["de"] if rng.random() < 0.2 else text
    return {}, rng.choice([foreign.upper(), text.upper(), text, text.upper()[:-3] + "abc"])


def lower(rng):
    text = prose(rng, 2, 4)
    foreign = FOREIGN["fr"] if rng.random() < 0.2 else text
    return {}, rng.choice([foreign.lower(), text.lower(), text, text.lower()[:-3] + "Abc"])


def commas(rng):
    return {}, rng.choice([prose(rng, 1, 3), prose(rng, 1, 3).replace(",", ""), prose(rng, 1, 2).replace(",", ";")])


def quoted(rng):
    text = prose(rng, 1, 3)
    return {}, _framed(rng, rng.choice([f'"{text}"', f'"{text}" ', f'"{text}', text, f"'{text}'", f'"{text}"', f'{text}"']))


CASES = {
    "keywords:existence": existence, "keywords:frequency": frequency, "keywords:forbidden_words": forbidden, "keywords:letter_frequency": letters,
    "language:response_language": language, "length_constraints:number_sentences": sentence_count, "length_constraints:number_words": words,
    "length_constraints:number_paragraphs": paragraphs, "length_constraints:nth_paragraph_first_word": first_word,
    "detectable_content:number_placeholders": placeholders, "detectable_content:postscript": postscripts,
    "detectable_format:number_bullet_lists": bullets, "detectable_format:constrained_response": constrained,
    "detectable_format:number_highlighted_sections": highlights, "detectable_format:multiple_sections": sections,
    "detectable_format:json_format": as_json, "detectable_format:title": titles, "combination:two_responses": two,
    "combination:repeat_prompt": repeat, "startend:end_checker": ends, "change_case:capital_word_frequency": capitals,
    "change_case:english_capital": upper, "change_case:english_lowercase": lower, "punctuation:no_comma": commas, "startend:quotation": quoted,
}  # fmt: skip
"""Type to a function that draws arguments and a text."""
