"""Tests of the radiomic features."""
