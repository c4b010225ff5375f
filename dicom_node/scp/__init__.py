"""The listening AE: associations, their protocol data units and messages, and who may come in."""
