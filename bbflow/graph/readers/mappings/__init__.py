"""Mappings that ship: what the words of a data set mean in bbflow's ontology. `extends: NAME` builds on one."""
