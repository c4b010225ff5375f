"""The portal: what is here, what waits and why, and what validations found, for people with a
browser; it changes nothing.
"""
