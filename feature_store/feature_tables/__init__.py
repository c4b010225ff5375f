"""Radiomic features that other software has made: read from its tables, with how they were made."""
