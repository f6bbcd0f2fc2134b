"""Task families about a patient."""
