"""The reading of completions as answers: the answer, what takes it back, amounts, refusals."""
