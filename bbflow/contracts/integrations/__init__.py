"""Data contracts in Great Expectations: rules as expectations, its own expectations on real columns, and its Data Docs."""
