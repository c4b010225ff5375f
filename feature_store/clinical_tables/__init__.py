"""Clinical tables as people have them: what a file says, column by column, as clinical records."""
