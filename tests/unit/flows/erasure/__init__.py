"""Erasing a person, from the plan to the certificate."""
