"""Everything in SQL: studies and their instances, the outbox, deliveries, commitments, incidents,
releases.
"""
