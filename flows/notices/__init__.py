"""What people must hear of: found, put into words, and told to whom the settings name."""
