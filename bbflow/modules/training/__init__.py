"""Parts of training that the LightningModules share: experience, losses, micro-batches, capability updates, collectives."""
