"""Golden data for the model tests; see tests/data/README.md for the layout."""
