"""Scores and outcomes in, discrimination, calibration and hazard-ratio reports out; and the SR of
one patient.
"""
