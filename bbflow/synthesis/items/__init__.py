"""Items: a question and its answer as node ids, with the solver that proves it.

Look-ups that several tasks need are here as well: wrong options (`distractors.py`), the position of the right one
(`answer_position.py`), drugs and patients (`patients.py`), ends and proofs of walks (`proof_paths.py`). A new kind of question goes
into `bbflow/synthesis/questions/`.
"""
