"""The part of the solver that asks whether a clinician would sign an item: the patient, the findings, the options.

It derives everything from the graph by its own code; tasks and the stage `ClinicalSense` look the same up in
`bbflow/synthesis/sense/`, which this module does not import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bbflow.graph.knowledge_graph import KnowledgeGraph
from bbflow.graph.memo import memoize_per_graph
from bbflow.graph.severity import Weight, edges_against
from bbflow.synthesis.items.item import Case, Item, Walk

_LESSER = {
    "contraindicated_in": {"contraindicated_in", "caution_in", "interacts_with"},
    "caution_in": {"contraindicated_in", "caution_in", "interacts_with"},
    "treats": {"treats", "preventative_for_condition", "ameliorates_condition"},
}
_SIGNS_OF = {"has_phenotype", "has_side_effect"}


def clinical_objections(graph: KnowledgeGraph, item: Item) -> Iterator[str]:
    """Yield every reason why a clinician would not sign an item."""
    if isinstance(item.query, Walk):
        if item.query.steps and not item.evidence:  # facts in the prompt decide by themselves
            yield from _walk_objections(graph, item, item.query)
            yield from _gold_objections(graph, item, item.query)
            yield from _kind_objections(graph, item, item.query)
            yield from _silence_objections(graph, item, item.query)
            yield from _option_objections(graph, item, item.query)
        return
    case, given = item.query.case(item), item.query.endorsed(item)
    yield from _people_objections(graph, item, case)
    yield from _record_objections(graph, item, case, given)
    yield from _setting_objections(graph, item, case)
    if case.findings:
        yield from _finding_objections(graph, item, case)


def advice_objections(
    graph: KnowledgeGraph, drugs: tuple[str, ...], item: Item, rivals: tuple[str, ...], judge: Callable[..., str]
) -> Iterator[str]:
    """Yield objections to drugs that are advised for the disease of a case.

    Args:
        graph: The graph.
        drugs: The drugs.
        item: The item.
        rivals: Drugs that the advised ones are compared with; each advised drug serves a purpose of all of them.
        judge: `solver.safety`.
    """
    case = item.query.case(item)
    edges = [graph.edge(drug, "treats", case.disease) for drug in graph.subjects("treats", case.disease)] if drugs else []
    treating = {edge.subject: edge.attributes for edge in edges if edge is not None}

    def purposes(drug: str) -> set[str]:
        return set(treating[drug].get("purposes") or [""]) if drug in treating else set()

    for drug in drugs:
        if any(not purposes(drug) & purposes(rival) for rival in rivals):
            yield f"{drug} is not for the purpose of the others"
        if treating.get(drug, {}).get("line") != "first":
            better = [d for d, held in treating.items() if held.get("line") == "first" and purposes(d) & purposes(drug)]
            if any(judge(graph, d, case.disease, case.context) == "safe" for d in better):
                yield f"{drug} is no first choice, and one is safe"


def _people_objections(graph: KnowledgeGraph, item: Item, case: Case) -> Iterator[str]:
    """Compare the patient with who can have each node of the case."""
    now = [n for n in (case.disease, *case.findings, *case.mentioned) if n]
    now += [n for n in case.context if graph.node(n).kind == "PhysiologicalState"]
    sexes = {s for n in (*now, *case.context) if (s := graph.node(n).attributes.get("sex"))}
    youngest = max((int(a) for n in (*now, *case.context) if (a := graph.node(n).attributes.get("age_from"))), default=0)
    oldest = min((int(a) for n in now if (a := graph.node(n).attributes.get("age_to"))), default=200)
    if len(sexes) > 1 or youngest > oldest:
        yield "no one can have all of this"
    if item.patient is None:
        return
    if sexes - {item.patient.get("sex")}:
        yield "the patient's sex does not fit"
    if not youngest <= (item.patient.get("age") or 0) <= oldest:
        yield "the patient's age does not fit"
    if bool(item.patient.get("pregnant")) != any(_is_pregnancy(graph, n) for n in case.context):
        yield "the pregnancy is not that of the case"


def _record_objections(graph: KnowledgeGraph, item: Item, case: Case, given: tuple[str, ...]) -> Iterator[str]:
    """Check what the patient takes against the record, and what is given against childbearing."""
    whole = {*case.context, case.disease} - {""}
    for drug in case.context:
        for node in whole if graph.node(drug).kind == "Drug" else ():
            if any(weight is Weight.FORBIDS for weight, _ in edges_against(graph, drug, [node])):
                yield f"{drug} on the record does not go with {node}"
    if set(given) & set(case.context):
        yield "the patient takes the drug already"
    woman = item.patient is not None and item.patient.get("sex") != "male" and 15 <= (item.patient.get("age") or 30) <= 50
    if woman and item.patient is not None and not item.patient.get("pregnant"):
        for drug in given:
            forbidden = any(_is_pregnancy(graph, node) for node in graph.objects(drug, "contraindicated_in"))
            concerns = {graph.name_of(node) for p in ("contraindicated_in", "caution_in") for node in graph.objects(drug, p)}
            if forbidden or "childbearing potential" in concerns or graph.node(drug).attributes.get("needs_contraception"):
                yield f"{drug} needs contraception, and the answer does not say so"


def _setting_objections(graph: KnowledgeGraph, item: Item, case: Case) -> Iterator[str]:
    """Check that the conditions exist together, and that those which need care at once are there for a reason."""
    for node in filter(None, (case.disease, *case.context)):
        held = graph.node(node).attributes
        for other in held.get("excludes", ()):
            if other in case.context or other == case.disease:
                yield f"no one has {node} and {other}"
        if held.get("acute") and node != case.disease and not any(node in (s, o) for s, p, o in item.edges if p != "treats"):
            yield f"{node} needs care at once, and decides nothing"
    if case.findings and graph.node(case.disease).attributes.get("syndrome"):
        yield f"{case.disease} has many causes and ends no case"


def _is_pregnancy(graph: KnowledgeGraph, node: str) -> bool:
    return graph.node(node).kind == "PhysiologicalState" and graph.node(node).name.lower() == "pregnancy"


def _finding_objections(graph: KnowledgeGraph, item: Item, case: Case) -> Iterator[str]:
    """Check what the findings point to."""
    shown = set(case.findings)
    if not case.mentioned and not item.workflow:
        telling = {f for f in shown if not graph.node(f).attributes.get("nonspecific")}
        fitting = set.intersection(*(_presenting(graph, finding) for finding in telling)) if telling else set()
        if fitting != {case.disease}:
            yield "the findings do not single out the disease"
        for finding in shown:
            if shown.intersection(_kin(graph, finding)) - {finding}:
                yield f"{finding} says the same as another finding"
    for flag, suspects in _alarms(graph, shown):
        if case.disease not in suspects:
            yield f"{flag} is an alarm for another disease"
    urgent = case.disease in _emergencies(graph)
    if urgent and item.recommended and not item.workflow:
        yield f"{case.disease} is an emergency, for which a drug alone is no answer"


def _presenting(graph: KnowledgeGraph, finding: str) -> set[str]:
    """Return the diseases with a finding, those that the graph leaves out included."""
    return {*graph.subjects("has_phenotype", finding), *graph.node(finding).attributes.get("also_found_in", ())}


@memoize_per_graph
def _emergencies(graph: KnowledgeGraph) -> frozenset[str]:
    return frozenset(n.id for n in graph.nodes("Disease") if n.attributes.get("emergency") or graph.objects(n.id, "needs_urgent_action"))


def _alarms(graph: KnowledgeGraph, shown: set[str]) -> Iterator[tuple[str, set[str]]]:
    """Yield the alarms among findings with the diseases that they call to mind; those of one finding are taken together."""
    found: dict[str, set[str]] = {}
    for finding in shown:
        if graph.node(finding).attributes.get("red_flag") and _emergencies(graph):
            found.setdefault(finding, set()).update(_emergencies(graph).intersection(graph.subjects("has_phenotype", finding)))
        for flag in shown.intersection(graph.objects(finding, "has_red_flag")):
            edge = graph.edge(finding, "has_red_flag", flag)
            found.setdefault(flag, set()).update((edge.attributes.get("suspects") or ()) if edge is not None else ())
    yield from found.items()


def _walk_objections(graph: KnowledgeGraph, item: Item, walk: Walk) -> Iterator[str]:
    """Check what the walk starts from, and that a maximum is one of a day."""
    first, forward = walk.steps[0]
    vague, several = graph.node(walk.start).attributes.get("nonspecific"), len(walk.steps) > 1
    if first == "has_phenotype" and graph.node(walk.start).attributes.get("syndrome"):
        yield f"{walk.start} has many causes and no findings of its own"
    if first == "has_phenotype" and not forward:
        if vague or (several and len(_presenting(graph, walk.start)) > 1):
            yield f"{walk.start} points to no one disease"
        flagged = graph.node(walk.start).attributes.get("red_flag") and _emergencies(graph)
        if flagged and not several and item.gold not in _emergencies(graph):
            yield f"{walk.start} is an alarm, and {item.gold} no emergency"
    if first == "has_side_effect" and not forward and item.options is not None and vague:
        yield f"{walk.start} points to no one drug"
    held = graph.edge(walk.start, "has_maximum_daily_dose", item.gold)
    if held is not None and (held.attributes.get("course") == 1 or "single" in str(held.attributes.get("schedule", ""))):
        yield "the maximum is that of a single day"


def _gold_objections(graph: KnowledgeGraph, item: Item, walk: Walk) -> Iterator[str]:
    """Check that the finding that is asked for is one of the telling ones."""
    vague_gold = walk.steps == (("has_phenotype", True),) and graph.node(item.gold).attributes.get("nonspecific")
    if vague_gold and any(not graph.node(f).attributes.get("nonspecific") for f in graph.objects(walk.start, "has_phenotype")):
        yield f"{item.gold} is common in everything, and other findings tell more"


def _kind_objections(graph: KnowledgeGraph, item: Item, walk: Walk) -> Iterator[str]:
    """Check that all options are of one kind, and that none is a finding that is common in everything."""
    options = [graph.node(option) for option in item.options or ()]
    if len({node.kind for node in options}) > 1:
        yield "the options are of several kinds"
    last, onward = walk.steps[-1]
    if last in _SIGNS_OF and onward and any(node.attributes.get("nonspecific") for node in options):
        yield "an option is a finding that is common in everything"


def _silence_objections(graph: KnowledgeGraph, item: Item, walk: Walk) -> Iterator[str]:
    """Reject wrong options to which an interaction or a prohibition might lead that the graph has not judged, where it says what it has."""
    if not _judges(graph):
        return
    for option in sorted(set(item.options or ()) - {item.gold}):
        for i, (predicate, forward) in enumerate(walk.steps):
            if predicate in ("interacts_with", "contraindicated_in"):
                before = _broadly(graph, Walk(walk.start, walk.steps[:i])) if i else frozenset([walk.start])
                rest = [(p, not ahead) for p, ahead in walk.steps[i + 1 :]][::-1]
                after = _broadly(graph, Walk(option, tuple(rest))) if rest else frozenset([option])
                pairs = ((a, b) if forward else (b, a) for a in before for b in after)
                if any(_unjudged(graph, drug, predicate, node) for drug, node in pairs):
                    yield f"the graph has not judged {option}"
                    break


def _unjudged(graph: KnowledgeGraph, drug: str, predicate: str, node: str) -> bool:
    """Return whether a drug could have a relation to a node about which the graph says nothing."""
    two = predicate == "interacts_with"
    if graph.node(drug).kind != "Drug" or (two and graph.node(node).kind != "Drug") or graph.has(drug, predicate, node):
        return False
    return not (graph.covers(drug, node) or (two and graph.covers(node, drug)))


@memoize_per_graph
def _judges(graph: KnowledgeGraph) -> bool:
    return any(node.attributes.get("coverage") for node in graph.nodes("Drug"))


def _option_objections(graph: KnowledgeGraph, item: Item, walk: Walk) -> Iterator[str]:
    """Reject wrong options that are right in a lesser or broader sense."""
    if item.options is None:
        return
    loose = sorted(set(item.options).intersection(_broadly(graph, walk)) - {item.gold})
    if loose:
        yield f"a wrong option is right in a lesser or broader sense: {', '.join(loose)}"


@memoize_per_graph
def _broadly(graph: KnowledgeGraph, walk: Walk) -> frozenset[str]:
    """Follow a walk along lesser relations too, and at each stop along broader and narrower terms."""
    here = _around(graph, walk.start)
    for predicate, forward in walk.steps:
        reached: set[str] = set()
        for node in here:
            reached |= _reached(graph, node, predicate, forward)
        here = frozenset(reached)
    return here


@memoize_per_graph
def _reached(graph: KnowledgeGraph, node: str, predicate: str, forward: bool) -> frozenset[str]:
    reached: set[str] = set()
    for lesser in _LESSER.get(predicate, {predicate}):
        ends = graph.objects(node, lesser) if forward else graph.subjects(lesser, node)
        for end in {*ends, *(_said_loosely(graph)[forward].get((node, lesser), ()))}:
            reached |= _around(graph, end)
    return frozenset(reached)


@memoize_per_graph
def _said_loosely(graph: KnowledgeGraph) -> dict[bool, dict[tuple[str, str], set[str]]]:
    """Return what nodes say loosely, from the subject (True) and from the object (False)."""
    said: dict[bool, dict[tuple[str, str], set[str]]] = {True: {}, False: {}}
    for node in graph.nodes():
        for predicate, objects in dict(node.attributes.get("loosely") or {}).items():
            for obj in filter(graph.__contains__, objects):
                said[True].setdefault((node.id, predicate), set()).add(obj)
                said[False].setdefault((obj, predicate), set()).add(node.id)
    return said


@memoize_per_graph
def _around(graph: KnowledgeGraph, node: str) -> frozenset[str]:
    """Return a node with its kin and what means a part of the same."""
    beside = set(graph.node(node).attributes.get("overlaps") or ()) | _overlapped(graph).get(node, set())
    return _kin(graph, node) | {n for n in beside if n in graph}


@memoize_per_graph
def _kin(graph: KnowledgeGraph, node: str) -> frozenset[str]:
    """Return a node, all that it is a kind of, and all that is a kind of it."""
    said = _said_loosely(graph)
    upward, downward = {node}, {node}
    while more := {o for n in upward for o in (*graph.objects(n, "subclass_of"), *said[True].get((n, "subclass_of"), ()))} - upward:
        upward |= more
    while more := {s for n in downward for s in (*graph.subjects("subclass_of", n), *said[False].get((n, "subclass_of"), ()))} - downward:
        downward |= more
    return frozenset(upward | downward)


@memoize_per_graph
def _overlapped(graph: KnowledgeGraph) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for node in graph.nodes():
        for other in node.attributes.get("overlaps") or ():
            found.setdefault(other, set()).add(node.id)
    return found


def shared_purposes(graph: KnowledgeGraph, drugs: tuple[str, ...], disease: str) -> set[str]:
    """Return the purposes that all of some drugs have in a disease; an edge that names none counts as one purpose of its own."""
    edges = [graph.edge(drug, "treats", disease) for drug in drugs]
    return set.intersection(*(set(edge.attributes.get("purposes") or [""]) if edge is not None else set() for edge in edges))
