"""Bundled mappings from the words of data sets to bbflow's ontology. `extends: NAME` builds on one."""
