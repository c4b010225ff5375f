"""What is frozen, and what is said about it."""
