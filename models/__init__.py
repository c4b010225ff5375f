"""The network, the signatures and the combined model: trains, freezes, verifies, scores."""
