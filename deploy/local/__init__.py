"""The whole system on one machine: its parts, their processes, the supervisor."""
