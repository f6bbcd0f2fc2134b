"""Clinical workflows as a state machine."""
