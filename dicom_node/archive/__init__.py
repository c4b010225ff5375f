"""The files on the disk, and how they get there durably: the archive, a file on its way into it,
Part 10.
"""
