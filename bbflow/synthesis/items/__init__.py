"""Items: a question and its answer as node ids, with the solver that proves it."""
