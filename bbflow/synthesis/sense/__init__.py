"""Clinical sense: which cases can occur and which options are certainly wrong, by attributes of nodes and edges of the graph.

Tasks draw by these look-ups, and the stage `ClinicalSense` of curation states them as rules. The solver checks the same by its own code
(`bbflow/synthesis/items/clinical_solver.py`) and imports nothing from here. A graph without the attributes has no such limits.
"""
