"""Radiomic features: the 1316 PyRadiomics values of each region."""
