"""Evaluation: scores of policies and null models, statistics, the certificate, and the report that shows them."""
