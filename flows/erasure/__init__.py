"""A person is erased: found everywhere, taken out, and the absence proved."""
