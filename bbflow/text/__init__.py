"""The one reading of clinical text: tokens, entities, doses, negation, stance, language, answers and the verbalization of edges."""
