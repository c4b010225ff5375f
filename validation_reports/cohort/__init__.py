"""Who is in a report: scored patients, their selection, the flow of patients. No number yet."""
