"""What the LightningModules share: experience, losses, micro-batches, capability updates, collectives."""
