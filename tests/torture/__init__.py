"""What a node must survive: mutated bytes and sudden deaths, with live processes."""
