"""The report as data: its summary, its main numbers, its check in R."""
