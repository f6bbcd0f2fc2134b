"""Cards in Markdown: `model_card` of an exported policy, `dataset_card` and `croissant` of generated examples."""
