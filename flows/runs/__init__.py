"""What every run has: a form with help texts, checked parameters, tags, warnings spelled out."""
