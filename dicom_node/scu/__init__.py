"""The calling AE: structured reports, results of storage commitment, echo."""
