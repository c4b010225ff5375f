"""From an announced object to an indexed one, whichever way it came in."""
