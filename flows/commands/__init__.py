"""The command line of the flows, one module for each kind of user."""
