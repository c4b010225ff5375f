"""The report as HTML and PDF, and every plot."""
