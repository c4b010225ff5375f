"""What the bytes of a dataset say, without a node around them."""
