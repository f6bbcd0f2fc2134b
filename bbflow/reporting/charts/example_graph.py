"""A picture of the graph around an example, as self-contained SVG: the proof in bold, what else joins its entities in grey."""

from __future__ import annotations

from html import escape

import networkx as nx

from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph
from bbflow.records import Example

WIDTH, HEIGHT, MARGIN = 960, 640, 110
_COLOURS = {
    "Drug": "#4c78a8", "DrugClass": "#9ecae9", "Disease": "#e45756", "PhenotypicFeature": "#f2a65a", "Test": "#54a24b",
    "Allergy": "#b279a2", "PhysiologicalState": "#b279a2", "Quantity": "#9d755d",
}  # fmt: skip
_OTHER = "#8a8a8a"
_LEGEND = "Bold: the proof. Ring: the answer. Grey: other edges between the same entities. No medical advice."


def neighbourhood_svg(graph: KnowledgeGraph, example: Example) -> str:
    """Draws the entities of an example and every edge between them; the same example gives the same picture.

    Args:
        graph: Where the example comes from.
        example: Its entities are the nodes, its edges the proof.
    """
    nodes = [node for node in dict.fromkeys([*example.entities, *(n for s, _, o in example.edges for n in (s, o))]) if node in graph]
    known = set(nodes)
    proof = [(s, p, o) for s, p, o in example.edges if s in known and o in known]
    others = [edge.triple for node in nodes for edge in _around(graph, node) if edge.object in known and edge.triple not in proof]
    drawing = nx.Graph([(s, o) for s, _, o in (*proof, *others)])
    drawing.add_nodes_from(nodes)
    places = nx.spring_layout(drawing, seed=7, k=2.2 / max(1, len(nodes)) ** 0.5)
    at = {node: (MARGIN + (x + 1) / 2 * (WIDTH - 2 * MARGIN), 70 + (y + 1) / 2 * (HEIGHT - 140)) for node, (x, y) in places.items()}
    parts = [_line(at, triple, False) for triple in dict.fromkeys(others)] + [_line(at, triple, True) for triple in proof]
    answer = graph.resolve(example.answer)
    parts += [_node(graph, node, *at[node], node == answer) for node in nodes]
    title = escape(f"{example.example_id} ({example.task}): {example.answer}")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" role="img">',
            f'<title>{title}</title><rect width="100%" height="100%" fill="#ffffff"/>',
            f'<text x="16" y="26" font-size="15">{title}</text>',
            *parts,
            f'<text x="16" y="{HEIGHT - 14}" font-size="12" fill="#666">{_LEGEND}</text>',
            "</svg>",
            "",
        ]
    )


def _around(graph: KnowledgeGraph, node: str) -> list[Edge]:
    found = [graph.edge(node, predicate, there) for _, there, predicate in graph.networkx.out_edges(node, keys=True)]
    return [edge for edge in found if edge is not None]


def _line(at: dict[str, tuple[float, float]], triple: tuple[str, str, str], bold: bool) -> str:
    (x1, y1), (x2, y2) = at[triple[0]], at[triple[2]]
    colour, width, size = ("#222222", 3, 12) if bold else ("#c4c4c4", 1, 10)
    label = escape(triple[1])
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'
        f'<text x="{(x1 + x2) / 2:.1f}" y="{(y1 + y2) / 2 - 4:.1f}" font-size="{size}" fill="{colour}" text-anchor="middle">{label}</text>'
    )


def _node(graph: KnowledgeGraph, node: str, x: float, y: float, answer: bool) -> str:
    colour = _COLOURS.get(graph.node(node).kind, _OTHER)
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="17" fill="none" stroke="#222222" stroke-width="2"/>' if answer else ""
    label = escape(graph.name_of(node))
    return (
        f'{ring}<circle cx="{x:.1f}" cy="{y:.1f}" r="12" fill="{colour}"/>'
        f'<text x="{x:.1f}" y="{y + 28:.1f}" font-size="13" text-anchor="middle">{label}</text>'
    )
