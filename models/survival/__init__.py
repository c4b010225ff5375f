"""The statistics of survival that training and validation share."""
