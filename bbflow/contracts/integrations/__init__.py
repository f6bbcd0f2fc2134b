"""Data contracts in other tools: Great Expectations and its Data Docs."""
