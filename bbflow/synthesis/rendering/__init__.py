"""Rendering: from a symbolic item to text.

To add wordings, edit `templates/*.yaml`: kind of question, then split, then templates in the grammar of `paraphrase_grammar.py`.
"""
