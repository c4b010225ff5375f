"""Encodings that both directions of the network share: PDUs, command sets, storage commitment,
TLS.
"""
