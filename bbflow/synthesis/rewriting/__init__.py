"""Rewriters: other words for the same question, accepted only where entities, negations and numbers are preserved.

To add a rewriter, copy `template.py`: a subclass of `Rewriter`, named in a recipe under `Rewrite.rewriter`.
"""

from bbflow.synthesis.rewriting.base import Rewriter, faithful, rewrite
from bbflow.synthesis.rewriting.language_model import LanguageModelRewriter
from bbflow.synthesis.rewriting.template import TemplateRewriter

__all__ = ["LanguageModelRewriter", "Rewriter", "TemplateRewriter", "faithful", "rewrite"]
