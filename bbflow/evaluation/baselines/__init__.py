"""What a non-answer earns: null models and adversarial probes."""
