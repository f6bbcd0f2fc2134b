# ruff: noqa: ANN001, ANN201, ANN202
"""Rows for `contracts.py`: patients with long, varied responses that every rule accepts.

Sentences are put together from parts and hold numbers, so that hardly one of the long ones stands twice; drugs go by any of their names,
with a dose below the graph's maximum. Facts come from the edges of the graph; no rule is called.
"""

import random

from bbflow.graph.maximum_dose import maximum_doses

WHEN = [
    "after two weeks",
    "within ten days",
    "at the next visit",
    "in a month",
    "before breakfast",
    "after {n} days",
    "in {n} weeks",
    "every evening",
]
WHO = ["the patient", "she", "he", "the family", "a nurse", "the practice", "a relative", "everyone at home"]
SIGN = ["headaches", "dizziness", "swelling of the legs", "a dry mouth", "poor sleep", "cramps at night", "blurred sight", "a change of weight",
        "shortness of breath on stairs", "tiredness", "a loss of appetite", "itching", "cold hands"]  # fmt: skip
HABIT = ["salt", "alcohol", "weight", "sleep", "smoking", "worry at work", "sugar", "a lack of exercise", "late meals"]
SPORT = ["a walk of {n} minutes", "swimming twice a week", "cycling to work", "gardening", "stairs instead of the lift", "light gymnastics"]
MEASURE = ["blood pressure", "pulse", "weight", "blood count", "potassium", "temperature", "glucose", "kidney function"]
TALK = [
    "The {measure} should be measured again {when}, and {who} should note {sign}, {sign2} or {sign3}.",
    "{Habit} and {habit2} matter as much as tablets do, and {sport} helps most people.",
    "If the {measure} stays above the target of {n}, the plan can be changed step by step, with a check of the {measure2} each time.",
    "It is normal to feel {sign} in the first {n} days, but {sign2} that lasts longer is a reason to call.",
    "About {n} of 100 people notice {sign}, and fewer than {m} of them need another plan.",
    "Please bring a list of all readings of the {measure} {when}, since single values say little.",
    "Meals may stay as they are; {who} can help with {habit} by keeping a diary of {n} days.",
    "Should {sign} or {sign2} come up at night, {who} ought to write down the time, and how long it took.",
    "With {sport} and less of {habit}, the {measure} often falls by {n} percent {when}.",
    "A second check of the {measure} {when} tells whether the plan works; until then nothing else has to change.",
    "Questions about {habit}, {habit2} or {sign} are welcome, and {who} can ring between {m} and {n} in the morning.",
    "Since {sign} is common with {habit}, it alone does not mean that the plan has failed.",
]
AGAINST = ["Avoid {bad}, since it is contraindicated in {risk}.", "{Bad} is contraindicated in {risk}, so it is out of the question.",
           "Do not give {bad}: the patient has {risk}.", "Because of {risk}, {bad} must not be used.", "{Bad} should be avoided, for there is {risk}.",
           "With {risk} in the history, {bad} is not an option."]  # fmt: skip
ADVICE = ["Start {drug} {dose} {often}.", "I recommend {drug} {dose} {often}.", "Prescribe {drug} at {dose} {often}.", "Give {dose} of {drug} {often}.",
          "The best choice is {drug}, {dose} {often}.", "{Drug} {dose} {often} is recommended."]  # fmt: skip
URGENT = ["Refer the patient at once.", "This is an emergency: call an ambulance now.", "Admit the patient to hospital today."]
OFTEN = {1: ["once daily", "daily", "every morning"], 2: ["twice daily", "every 12 hours"]}
ASK = ["Case {i}: a {age}-year-old {sex} with {risk} needs a drug for {disease}. Which one?", "A {sex} of {age} (file {i}) has {risk} and now {disease}. What would you choose?",
       "What do you give against {disease} to a {sex} of {age} who also has {risk}? It is case {i}."]  # fmt: skip


def make_rows(graph, count, seed=1):
    """Makes rows that every rule accepts."""
    rng = random.Random(seed)
    cases = _cases(graph)
    marked = {e.object for e in graph.edges("has_red_flag")} | {n.id for n in graph.nodes() if n.attributes.get("red_flag")}
    flags = {name.lower() for node in marked for name in (graph.name_of(node), *graph.node(node).synonyms)}
    return [_row(graph, rng, i, *rng.choice(cases), flags) for i in range(count)]


def _cases(graph):
    """Lists drug, what it treats, another drug for that, and what forbids the other one only."""
    found = []
    for drug in graph.nodes("Drug"):
        if drug.attributes.get("coverage", {}).get("disease") != "complete" or not graph.objects(drug.id, "has_maximum_daily_dose"):
            continue
        for disease in graph.objects(drug.id, "treats"):
            for other in graph.subjects("treats", disease):
                risks = [
                    r for r in graph.objects(other, "contraindicated_in") if graph.node(r).kind == "Disease" and graph.covers(drug.id, r)
                ]
                found += [
                    (drug.id, disease, other, r) for r in risks if other != drug.id and not graph.has(drug.id, "contraindicated_in", r)
                ]
    return found


def talk(rng):
    """One sentence of everyday advice."""
    sign, habit, measure = rng.sample(SIGN, 3), rng.sample(HABIT, 2), rng.sample(MEASURE, 2)
    words = {"when": rng.choice(WHEN), "who": rng.choice(WHO), "sign": sign[0], "sign2": sign[1], "sign3": sign[2], "habit": habit[0], "habit2": habit[1],
             "Habit": habit[0].capitalize(), "sport": rng.choice(SPORT), "measure": measure[0], "measure2": measure[1]}  # fmt: skip
    return rng.choice(TALK).format_map(
        {k: v.format(n=rng.randrange(6, 60)) for k, v in words.items()} | {"n": rng.randrange(9, 99), "m": rng.randrange(2, 9)}
    )


def _row(graph, rng, i, drug, disease, other, risk, flags):
    name = {n: rng.choice([graph.name_of(n), *graph.node(n).synonyms]) for n in (drug, other, disease, risk)}
    options = [graph.name_of(drug), graph.name_of(other), "none of these"]
    rng.shuffle(options)
    figures = maximum_doses(graph, drug, (disease, risk))
    limit = min(min(float(figure.daily), 2 * float(figure.single_dose or figure.daily)) for figure in figures)
    per_day = rng.choice([1, 2])
    dose = float(f"{limit * rng.choice([0.1, 0.2, 0.25, 0.4]):.3g}")
    unit, amount = rng.choice([("mg", dose), ("g", dose / 1000)]) if dose >= 100 else ("mg", dose) if dose >= 0.5 else ("ug", dose * 1000)
    said = {"bad": name[other], "Bad": name[other][:1].upper() + name[other][1:], "drug": name[drug], "Drug": name[drug][:1].upper() + name[drug][1:],
            "risk": name[risk], "dose": f"{amount:.6g} {unit}", "often": rng.choice(OFTEN[per_day])}  # fmt: skip
    parts = [rng.choice(AGAINST).format_map(said), rng.choice(ADVICE).format_map(said)]
    while len(" ".join(parts).split()) < 58:
        parts.append(talk(rng))
    age, sex = rng.randrange(30, 85), rng.choice(["man", "woman"])
    prompt = rng.choice(ASK).format(i=i, age=age, sex=sex, risk=name[risk], disease=name[disease])
    if any(flag in prompt.lower() for flag in flags):
        parts.insert(2, rng.choice(URGENT))
    return {
        "example_id": f"{i:016x}", "task": "joint_case", "capabilities": ["safety", "domain"], "response": f"{' '.join(parts)} Answer: {graph.name_of(drug)}",
        "answer": graph.name_of(drug), "messages": [{"role": "user", "content": prompt}], "options": options,
        "constraints": [{"type": "max_words", "kwargs": "{}"}], "workflow": rng.choice([["history", "tests", "diagnosis", "treatment"], ["history", "treatment"]]),
        "patient": {"age": age, "sex": "male" if sex == "man" else "female", "pregnant": None, "conditions": [disease, risk], "medications": [], "allergies": [],
                    "egfr": float(rng.randrange(90, 120))},
        "recommended": [{"drug": name[drug], "dose": amount, "unit": unit, "per_day": per_day, "route": "oral"}],
        "entities": [drug, other, disease, risk], "edges": [[other, "contraindicated_in", risk], [drug, "treats", disease]], "cluster": disease, "split": "train",
        "open_book": False,
    }  # fmt: skip
