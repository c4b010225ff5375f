"""CT and contour to regions on a grid of 1 mm: the whole geometry, in the order of the way."""
