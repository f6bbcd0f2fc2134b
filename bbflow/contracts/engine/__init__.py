"""The engine of contracts: rows with checked access to cells, the registry of rules, and the runner with its worker processes.

For the rules on safety, `patient_context` and `prompt_context` read patients from columns and prompts, and `contraindications` finds
the edges against a drug.
"""
