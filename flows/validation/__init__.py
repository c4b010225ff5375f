"""Validate a centre or a cohort, align it, send the report to its PACS."""
