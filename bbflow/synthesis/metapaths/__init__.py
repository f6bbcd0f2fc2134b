"""Metapaths: typed walks over the graph, declared in YAML, and the phrases that ask for them.

To add one, add a line to `metapaths.yaml`, or to your own file and name it in the recipe (`MetapathQuestion.metapaths`).
"""
