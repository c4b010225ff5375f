"""Between store and model: what a bundle reads of a patient, who is eligible, which versions are
named.
"""
