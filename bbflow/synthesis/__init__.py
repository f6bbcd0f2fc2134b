"""MKGSG, Medical Knowledge-Grounded Synthetic Generation: training examples derived from a medical knowledge graph.

Every example is proved from the graph before it is written. One attempt of a stream (`attempts.py`) goes through these packages:

- `tasks/` proposes a symbolic item (`items/`): a walk (`metapaths/`), a prescription, or another kind of question (`questions/`).
- `items/solver.py` proves the item, or rejects it with a reason; no code that built the item takes part.
- `rendering/` puts it into words, with `constraints/` on the form of the answer and `workflows/` for clinical steps.
- `curation/` removes benchmark questions and runs the stages of a recipe, `rewriting/` among them.
- `selection.py` decides which examples are kept, and in which order; `splits.py` decides the split.

| question | module |
|---|---|
| Where is a question drawn? | `tasks/`, with the look-ups in `items/` |
| Where is a question proved? | `items/solver.py`, and `objections` of each class in `questions/` |
| Which wrong options does it offer? | `items/distractors.py` |
| Which letter does the right option get? | `items/answer_position.py`, switched by `balance_letters` of `Curation` |
| In which words is it asked? | `rendering/templates/`, filled by `rendering/renderer.py` |
| Which split does it belong to? | `splits.py` |
| Which examples are kept, in which order? | `selection.py` |
| Why was an attempt dropped? | `attempts.py` counts the reasons |

`pipeline.py` runs all of this in memory, `bbflow/data/sharding.py` in bounded memory. `corruption.py` makes wrong responses for
preference pairs.
"""

from bbflow.synthesis.items.item import Item, Prescription, Walk
from bbflow.synthesis.pipeline import Generated, generate
from bbflow.synthesis.tasks import Task

__all__ = ["Generated", "Item", "Prescription", "Task", "Walk", "generate"]
