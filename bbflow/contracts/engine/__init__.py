"""The engine of data contracts: rows, rules, and the runner that applies one to the other."""
