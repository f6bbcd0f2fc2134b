"""The command line: a thin dispatcher, LightningCLI for training, plain functions for the rest."""
