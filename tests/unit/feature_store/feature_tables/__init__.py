"""Tables of features that were made elsewhere."""
