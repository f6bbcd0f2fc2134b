"""bbflow: align small biomedical language models in several capabilities at once, from YAML recipes.

Importing this package imports neither torch, transformers nor Great Expectations; each package is imported by name
(`bbflow.graph`, `bbflow.synthesis`, `bbflow.modules`, ...).
"""

__version__ = "0.1.0"
