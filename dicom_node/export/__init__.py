"""Studies without identity for research (PS3.15 annex E): what is kept, what is replaced, and the
files that go out.
"""
