"""Thin Prefect flows over the other packages, the dispatcher, the settings and the command line."""
