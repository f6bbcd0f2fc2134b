"""Clinical workflows as a state machine.

To add one, copy `workflow.yaml`, change its states, and name the file in the recipe (`ClinicalWorkflow.workflow`).
"""
