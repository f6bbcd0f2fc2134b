"""Cards in Markdown: of a policy and of a data set."""
