"""Turns a complete study into feature vectors and keeps them, with the expectations that data must
meet first.
"""
