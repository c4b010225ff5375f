"""Tests of the synthetic centres."""
