"""Constraints on the form of an answer.

`base.py` says what a writer is; `single_answer.py` and `multi_answer.py` hold the writers. To add a constraint, copy a class such
as `Title`, list it in `MANY_CONSTRAINTS`, and add a verifier (`bbflow/rewards/ifeval_verifiers.py`) and wordings
(`bbflow/synthesis/rendering/templates/constraints.yaml`).
"""
