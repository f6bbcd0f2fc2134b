"""Metapaths declared in YAML: templates of walks and the phrases that ask for them."""
