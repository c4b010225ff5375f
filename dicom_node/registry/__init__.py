"""Everything in SQL: centres, studies and their instances, the outbox and its results, releases,
deliveries, commitments, incidents.
"""
