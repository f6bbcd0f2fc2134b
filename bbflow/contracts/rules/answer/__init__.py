"""Rules about one answer: its form, its support by the graph, its language."""
