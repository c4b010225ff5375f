"""One study: its steps, its score, its explanation, a cohort of missing scores."""
