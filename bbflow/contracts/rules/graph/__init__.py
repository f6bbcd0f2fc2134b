"""Rules that compare records with the graph."""
