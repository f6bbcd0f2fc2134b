"""Rules about the safety of a patient: contraindications, interactions, doses, privacy."""
