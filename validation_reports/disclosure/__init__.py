"""What of a report may leave the installation: counts, times and scores that single nobody out."""
