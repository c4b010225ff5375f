"""Train a model, compare two."""
