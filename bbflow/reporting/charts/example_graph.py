"""A picture of the graph around an example: the proof in bold, other edges between its entities in grey."""

from __future__ import annotations

import networkx as nx
from markupsafe import Markup

from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph
from bbflow.records import Example
from bbflow.reporting.charts.svg import el

WIDTH, HEIGHT, MARGIN = 960, 640, 110
_COLORS = {
    "Drug": "#4c78a8", "DrugClass": "#9ecae9", "Disease": "#e45756", "PhenotypicFeature": "#f2a65a", "Test": "#54a24b",
    "Allergy": "#b279a2", "PhysiologicalState": "#b279a2", "Quantity": "#9d755d",
}  # fmt: skip
_OTHER = "#8a8a8a"
_LEGEND = "Bold: the proof. Ring: the answer. Grey: other edges between the same entities. No medical advice."


def neighbourhood_svg(graph: KnowledgeGraph, example: Example) -> str:
    """Return a picture of an example's entities and all edges between them; the same example gives the same picture.

    Args:
        graph: Source of the example.
        example: Its entities are the nodes, its edges the proof.
    """
    nodes = [node for node in dict.fromkeys([*example.entities, *(n for s, _, o in example.edges for n in (s, o))]) if node in graph]
    known = set(nodes)
    proof = [(s, p, o) for s, p, o in example.edges if s in known and o in known]
    others = [edge.triple for node in nodes for edge in _around(graph, node) if edge.object in known and edge.triple not in proof]
    layout = nx.Graph([(s, o) for s, _, o in (*proof, *others)])
    layout.add_nodes_from(nodes)
    places = nx.spring_layout(layout, seed=7, k=2.2 / max(1, len(nodes)) ** 0.5)
    at = {node: (MARGIN + (x + 1) / 2 * (WIDTH - 2 * MARGIN), 70 + (y + 1) / 2 * (HEIGHT - 140)) for node, (x, y) in places.items()}
    answer = graph.resolve(example.answer)
    title = f"{example.example_id} ({example.task}): {example.answer}"
    parts = [
        el("title", title) + el("rect", width="100%", height="100%", fill="#ffffff"),
        el("text", title, x=16, y=26, font_size=15),
        *(_edge(at, triple, False) for triple in dict.fromkeys(others)),
        *(_edge(at, triple, True) for triple in proof),
        *(_node(graph, node, *at[node], node == answer) for node in nodes),
        el("text", _LEGEND, x=16, y=HEIGHT - 14, font_size=12, fill="#666"),
    ]
    frame = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {WIDTH} {HEIGHT}", "font_family": "sans-serif", "role": "img"}
    return str(el("svg", "\n", Markup("\n").join(parts), "\n", **frame)) + "\n"


def _around(graph: KnowledgeGraph, node: str) -> list[Edge]:
    found = [graph.edge(node, predicate, there) for _, there, predicate in graph.networkx.out_edges(node, keys=True)]
    return [edge for edge in found if edge is not None]


def _edge(at: dict[str, tuple[float, float]], triple: tuple[str, str, str], bold: bool) -> Markup:
    (x1, y1), (x2, y2) = at[triple[0]], at[triple[2]]
    color, width, size = ("#222222", 3, 12) if bold else ("#c4c4c4", 1, 10)
    line = el("line", x1=_cut(x1), y1=_cut(y1), x2=_cut(x2), y2=_cut(y2), stroke=color, stroke_width=width)
    x, y = _cut((x1 + x2) / 2), _cut((y1 + y2) / 2 - 4)
    return line + el("text", triple[1], x=x, y=y, font_size=size, fill=color, text_anchor="middle")


def _node(graph: KnowledgeGraph, node: str, x: float, y: float, answer: bool) -> Markup:
    center = {"cx": _cut(x), "cy": _cut(y)}
    ring = el("circle", **center, r=17, fill="none", stroke="#222222", stroke_width=2) if answer else Markup()
    dot = el("circle", **center, r=12, fill=_COLORS.get(graph.node(node).kind, _OTHER))
    return ring + dot + el("text", graph.name_of(node), x=_cut(x), y=_cut(y + 28), font_size=13, text_anchor="middle")


def _cut(value: float) -> str:
    return f"{value:.1f}"
