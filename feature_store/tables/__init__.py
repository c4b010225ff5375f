"""All that knows Delta Lake: keyed tables, their rows, the store, queries, compaction."""
