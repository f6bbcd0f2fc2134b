"""MKGSG, Medical Knowledge-Grounded Synthetic Generation: training examples derived from a medical knowledge graph.

Every example is proved from the graph before it is written. One attempt of a stream (`attempts.py`) goes through these packages:

- `tasks/` proposes a symbolic item (`items/`): a walk (`metapaths/`), a prescription, or another kind of question (`questions/`).
- `items/solver.py` proves the item, or rejects it with a reason; it shares no code with the tasks.
- `rendering/` puts it into words, with `constraints/` on the form of the answer and `workflows/` for clinical steps.
- `curation/` removes benchmark questions and runs the stages of a recipe, `rewriting/` among them.
- `selection.py` decides which examples are kept, and in which order; `splits.py` decides the split.

`pipeline.py` runs all of this in memory, `bbflow/data/sharding.py` in bounded memory. `corruption.py` makes wrong responses for
preference pairs.
"""

from bbflow.synthesis.items.item import Item, Prescription, Walk
from bbflow.synthesis.pipeline import Generated, generate
from bbflow.synthesis.tasks import Task

__all__ = ["Generated", "Item", "Prescription", "Task", "Walk", "generate"]
