"""Charts as inline SVG: no scripts, no files next to the page, readable on a phone, in print and by screen readers.

One file per chart: `score_bars`, `line_chart` (and `curves`, those of a run), `heat_map`, `scatter` (and `pareto`), `example_graph`.
All are built from the elements of `svg` and the scales of `axes`, and are deterministic: the same values give the same bytes.
"""
