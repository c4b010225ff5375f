"""The pages about expectations: what was expected, what was met, which studies are not and why."""
