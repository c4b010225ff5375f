"""The long-running side: dispatcher, housekeeping, healing, deployments."""
