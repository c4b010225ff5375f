"""What operators and Prometheus look at: health, metrics, tables."""
