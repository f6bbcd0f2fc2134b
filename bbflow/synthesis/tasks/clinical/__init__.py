"""Task families about a patient; to add one, see `bbflow/synthesis/tasks/__init__.py`."""
