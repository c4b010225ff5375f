"""Tests of what an installation needs besides the code."""
