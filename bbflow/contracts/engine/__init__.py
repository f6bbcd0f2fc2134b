"""The engine of contracts: rows with checked access to cells, the registry of rules, and the runner with its worker processes.

`patient_context` and `prompt_context` read patients from columns and prompts, for the rules on safety.
"""
