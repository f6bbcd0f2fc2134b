# ruff: noqa: ANN001, ANN003, ANN201, ANN204, RUF001
"""Recall and specificity of the safety rules: good rows corrupted on purpose, and near misses that must pass.

    python benchmarks/contract_mutations/run.py [--seed 5]

The generator takes its facts from the graph's edges alone and writes rows and sentences of its own; it calls no rule, and none of the code
that rules resolve names, read doses or read negation with. Each case goes through the spellings of `spell`: synonym, brand name, case,
spacing, punctuation, unicode look-alikes, invisible characters. Prints a table; the last line is JSON.
"""

import argparse
import json
import random
import sys
from math import ceil

from mutants import more

from bbflow.contracts import RULES, Row
from bbflow.graph import ClinicalPack
from bbflow.graph.maximum_dose import maximum_doses

COUNT = 60
UNITS = {"mg": 1.0, "g": 1000.0, "ug": 0.001, "mcg": 0.001}
YES = ["Start {}.", "Give {} today.", "I recommend {}.", "The best choice is {}.", "Prescribe {}, and see her again.", "{} is recommended here.",
       "Answer: {}", "{} can be given.", "She should take {}.", "Treat it with {}.", "Avoid salt. Begin {} in the morning.",
       "Do not hesitate to give {}.", "{}", "Switch to {}.", "{} is the drug of choice.", "Although she worries, continue {}."]  # fmt: skip
NOT = ["Avoid {}.", "Do not give {}.", "{} is contraindicated here.", "Never start {}.", "{} should be avoided.", "Stop {}.", "You must not use {}.",
       "Refrain from {}.", "{} is not recommended.", "She cannot take {}.", "Walking helps more than {}.", "She is allergic to {}.",
       "{} must not be given.", "There are safer ways than {}.", "Don't prescribe {}.", "{} was ruled out, and rightly so."]  # fmt: skip
LOOK = str.maketrans("aeoc", "аеос")


class Maker:
    """Makes rows from edges."""

    def __init__(self, graph, seed=5):
        self.graph, self.rng = graph, random.Random(seed)
        self.forbidden = [(e.subject, e.object) for e in graph.edges("contraindicated_in")]
        interactions = [(e.subject, e.object, e.attributes.get("severity")) for e in graph.edges("interacts_with")]
        self.pairs = [(a, b) for a, b, severity in interactions if severity not in ("minor", "moderate")]
        self.moderate = [(a, b) for a, b, severity in interactions if severity == "moderate"]
        joined = {frozenset((a, b)) for a, b, severity in interactions if severity != "minor"}
        drugs = [n.id for n in graph.nodes("Drug")]
        self.apart = [(a, b) for a in drugs for b in drugs if a < b and frozenset((a, b)) not in joined]
        banned = set(self.forbidden)
        self.places = sorted({place for _, place in self.forbidden})
        self.allowed = [(d, p) for d in drugs for p in self.places if (d, p) not in banned and graph.node(p).kind == "Disease"]
        self.maxima = [(drug, figures) for drug in drugs if (figures := maximum_doses(graph, drug))]
        self.edges = [list(e.triple) for e in graph.edges()]

    def spell(self, node):
        """A name of a node in some spelling."""
        entry, r = self.graph.node(node), self.rng
        name = r.choice([entry.name, entry.name, *entry.synonyms])
        ways = [str, str.upper, str.title, lambda s: s.translate(LOOK), lambda s: s[:2] + "\u200b" + s[2:], lambda s: s.replace(" ", "  "),
                lambda s: s.replace("-", " "), lambda s: s.replace("-", "\u2011"), lambda s: "".join(chr(ord(c) + 0xFEE0) if c.isalpha() and c.isascii() else c for c in s)]  # fmt: skip
        return r.choice(ways)(name)

    def patient(self, node=None, drug=None, **more):
        """A patient with one thing in the context."""
        made = {"age": 50, "sex": "female", "pregnant": None, "conditions": [], "medications": [], "allergies": [], "egfr": None, **more}
        kind = self.graph.node(node).kind if node else ""
        if kind == "Allergy":
            made["allergies"] = [self.spell(node)]
        elif node == self.graph.resolve("pregnancy") and self.rng.random() < 0.5:
            made["pregnant"] = True
        elif node:
            made["conditions"] = [self.spell(node)]
        if drug:
            made["medications"] = [self.spell(drug)]
        return made

    def row(self, **more):
        """A row that is right in all else."""
        self.n = getattr(self, "n", 0) + 1
        return {"example_id": f"m{self.n}", "task": "t", "messages": [{"role": "user", "content": f"What should be done in case {self.n}?"}],
                "response": "Rest.", "answer": "rest", "options": None, "recommended": [], "patient": self.patient(), "split": "train", **more}  # fmt: skip

    def drug(self, node, **dose):
        """A recommendation."""
        return {"drug": self.spell(node), "dose": None, "unit": None, "per_day": None, "route": None, **dose}

    def dose(self, milligrams):
        """An amount in some unit."""
        unit = self.rng.choice(list(UNITS))
        return milligrams / UNITS[unit], unit


def cases(m):
    """Yields rule, whether the rows violate it, and the rows."""
    r, g = m.rng, m.graph
    renal = [(d, limit) for d, p in m.forbidden if (limit := g.node(p).attributes.get("egfr_below"))]
    highest = {d: max(limit for one, limit in renal if one == d) for d, _ in renal}
    for _ in range(COUNT):
        d, p = r.choice(m.forbidden)
        ok, q = r.choice(m.allowed)
        yield "no_contraindicated_drug", True, [m.row(recommended=[m.drug(d)], patient=m.patient(p))]
        yield "no_contraindicated_drug", False, [m.row(recommended=[m.drug(ok)], patient=m.patient(q))]
        one, limit = r.choice(renal)
        low, high = r.uniform(3, limit - 0.1), r.uniform(90, 140)
        yield "no_renal_contraindication", True, [m.row(recommended=[m.drug(one)], patient=m.patient(egfr=low))]
        yield (
            "no_renal_contraindication",
            False,
            [m.row(recommended=[m.drug(one)], patient=m.patient(egfr=r.choice([float(highest[one]), high])))],
        )
        a, b = r.sample(r.choice(m.pairs), 2)
        x, y = r.sample(r.choice(m.apart), 2)
        yield "no_interacting_pair", True, [m.row(recommended=[m.drug(a)], patient=m.patient(drug=b))]
        yield "no_interacting_pair", False, [m.row(recommended=[m.drug(x)], patient=m.patient(drug=y))]
        c, f = r.sample(r.choice(m.moderate), 2)
        yield "needs_no_caution", True, [m.row(recommended=[m.drug(c)], patient=m.patient(drug=f))]
        yield "needs_no_caution", False, [m.row(recommended=[m.drug(x)], patient=m.patient(drug=y))]
        yield "text_needs_no_caution", True, [m.row(response=r.choice(YES).format(m.spell(c)), patient=m.patient(drug=f))]
        yield "text_needs_no_caution", False, [m.row(response=r.choice(NOT).format(m.spell(c)), patient=m.patient(drug=f))]
        d2, figures = r.choice(m.maxima)
        limit, single = float(figures[0].daily), max(float(figure.single_dose or figures[0].daily) for figure in figures)
        times = max(r.choice([1, 2, 3, 4]), ceil(limit / single))
        for bad, total in ((True, limit * r.uniform(1.02, 3)), (False, limit * r.choice([1.0, r.uniform(0.2, 0.99)]))):
            amount, unit = m.dose(total / times)
            yield "dose_within_maximum", bad, [m.row(recommended=[m.drug(d2, dose=amount, unit=unit, per_day=times)])]
            words = {1: "once daily", 2: r.choice(["twice daily", "every 12 hours", "bid"]), 3: r.choice(["three times a day", "every 8 hours", "tid"]),
                     4: r.choice(["four times daily", "every 6 hours", "q6h"])}[times]  # fmt: skip
            said = r.choice(["Start {} {:.7g} {} {}.", "Give {} at {:.7g} {} {}.", "{} {:.7g}{} {}"]).format(
                m.spell(d2), amount, unit, words
            )
            yield "text_dose_within_maximum", bad, [m.row(response=said)]
        yield "text_no_contraindicated_drug", True, [m.row(response=r.choice(YES).format(m.spell(d)), patient=m.patient(p))]
        near = (r.choice(NOT).format(m.spell(d)), p) if r.random() < 0.7 else (r.choice(YES).format(m.spell(ok)), q)
        yield "text_no_contraindicated_drug", False, [m.row(response=near[0], patient=m.patient(near[1]))]
        yield "text_no_interacting_pair", True, [m.row(response=r.choice(YES).format(m.spell(a)), patient=m.patient(drug=b))]
        good = r.choice(NOT).format(m.spell(a)), b
        if r.random() < 0.4:
            good = r.choice(YES).format(m.spell(x)), y
        yield "text_no_interacting_pair", False, [m.row(response=good[0], patient=m.patient(drug=good[1]))]
        stem = r.choice(["zolpr", "bax", "quin", "tirm", "vel"]) + r.choice(["opril", "osartan", "olol", "floxacin", "gliptin", "statin"])
        yield (
            "text_drugs_known",
            True,
            [m.row(response=r.choice([f"Start {stem}.", f"Give {stem.upper()} 5 mg daily.", "Give farnoxil 20 mg daily."]))],
        )
        yield "text_drugs_known", False, [m.row(response=r.choice(YES).format(m.spell(d)))]
        edge = r.choice(m.edges)
        wrong = r.choice([[edge[2], edge[1], edge[0]], [edge[0], "treats", edge[0]], [edge[0] + "x", *edge[1:]]])
        symmetric = edge[1] == "interacts_with"
        yield "edges_in_graph", True, [m.row(edges=[wrong if not symmetric else [edge[0] + "x", *edge[1:]]])]
        yield "edges_in_graph", False, [m.row(edges=[edge[::-1] if symmetric else edge])]
        yield "entities_in_graph", True, [m.row(entities=[edge[0], r.choice([edge[2].upper(), edge[2] + "_", g.name_of(edge[2])])])]
        yield "entities_in_graph", False, [m.row(entities=[edge[0], edge[2]])]
        number = f"{r.randrange(200, 999)}{r.choice('-. ')}{r.randrange(200, 999)}{r.choice('-. ')}{r.randrange(1000, 9999)}"
        phi = r.choice([f"Call {number}.", f"Mrs. {r.choice(['Ng', 'Smith', 'García'])} agreed.", f"Write to a{r.randrange(99)}@b.org.", f"MRN {r.randrange(10**5, 10**8)}",
                        f"SSN {r.randrange(100, 999)}-{r.randrange(10, 99)}-{r.randrange(1000, 9999)}", f"DOB: {r.randrange(1, 28)}/0{r.randrange(1, 9)}/19{r.randrange(20, 99)}"])  # fmt: skip
        fine = r.choice(["Call [PHONE].", "Mrs. [NAME] agreed.", f"Give {r.randrange(100, 999)} mg, then {r.randrange(1000, 4000)} mg.", f"The trial of {r.randrange(1950, 2020)} had {r.randrange(1000, 9999)} patients.",
                         "Ask a doctor.", f"eGFR {r.randrange(30, 60)}-{r.randrange(60, 90)} mL/min"])  # fmt: skip
        yield "no_phi", True, [m.row(response=phi)]
        yield "no_phi", False, [m.row(response=fine)]
        steps = ["history", "examination", "tests", "diagnosis", "treatment"]
        i = r.randrange(4)
        yield "workflow_in_order", True, [m.row(workflow=[*steps[:i], steps[i + 1], steps[i], *steps[i + 2 :]])]
        yield (
            "workflow_in_order",
            False,
            [m.row(workflow=r.choice([str.title, str.upper, str])(" ".join(sorted(r.sample(steps, 3), key=steps.index))).split())],
        )
        one, two = m.row(), m.row()
        copy = {**one, "example_id": two["example_id"], "split": "test"}
        copy["messages"] = [{"role": "user", "content": r.choice([str.upper, lambda s: "  " + s])(one["messages"][0]["content"])}]
        yield "no_split_leakage", True, [one, copy]
        yield "no_split_leakage", False, [one, {**two, "split": "test"}]
        yield "no_duplicates", True, [one, {**copy, "split": "train"}]
        yield "no_duplicates", False, [one, two]
        yes, no = (
            r.choice(["I can't help with that.", "None of these is safe.", "I must decline.", "I\u2019m sorry, I cannot do this."]),
            r.choice(["Give it.", "Start it now.", "This cannot wait: give it.", "Never mind, take it."]),
        )
        yield (
            "refusal_where_required",
            True,
            [m.row(answer=(a1 := r.choice(["none of these", "give it"])), response=no if a1 == "none of these" else yes)],
        )
        yield (
            "refusal_where_required",
            False,
            [m.row(answer=(a2 := r.choice(["none of these", "give it"])), response=yes if a2 == "none of these" else no)],
        )
        foreign = [
            "Geben Sie das Mittel nicht, denn es ist gefährlich.",
            "Il ne faut pas donner le médicament dans ce cas.",
            "No se debe dar este medicamento a la paciente.",
            "Дайте лекарство.",
        ]
        yield "response_in_language", True, [m.row(response=r.choice(foreign))]
        yield "response_in_language", False, [m.row(response=r.choice(YES).format(g.name_of(d)))]
        three = r.sample([n.name for n in g.nodes("Drug")], 3)
        yield "answer_among_options", True, [m.row(options=three, answer=r.choice([three[0] + "x", "none"]))]
        yield "answer_among_options", False, [m.row(options=three, answer=three[1])]
        yield from more(m)


def measure(graph, seed=5):
    """Returns rule to [violating found, violating, near misses passed, near misses], and the rows that came out wrong."""
    table, wrong = {}, []
    for rule, bad, rows, *settings in cases(Maker(graph, seed)):
        found = bool(RULES[rule].run([Row(i, row) for i, row in enumerate(rows)], graph, **(settings[0] if settings else {})).findings)
        counts = table.setdefault(rule, [0, 0, 0, 0])
        counts[0 if bad else 2] += found == bad
        counts[1 if bad else 3] += 1
        if found != bad:
            wrong.append((rule, "missed" if bad else "wrongly found", rows[-1]))
    if table.keys() != RULES.keys():
        raise SystemExit(f"rules without cases: {RULES.keys() - table.keys()}")
    return table, wrong


def main():
    """Prints the table, what came out wrong, and a line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    table, wrong = measure(ClinicalPack().load(), arguments.seed)
    lines = ["| rule | violating | recall | near misses | specificity |", "|---|---|---|---|---|"]
    lines += [f"| `{rule}` | {n} | {a / n:.2f} | {k} | {b / k:.2f} |" for rule, (a, n, b, k) in sorted(table.items())]
    print("\n".join(lines))
    for item in wrong[:40]:
        print(*item, sep=" | ")
    print(json.dumps({rule: [round(a / n, 3), round(b / k, 3)] for rule, (a, n, b, k) in sorted(table.items())}))


if __name__ == "__main__":
    sys.exit(main())
