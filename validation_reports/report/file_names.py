"""What the files of a report's folder are called."""

JSON_NAME, PAGE_NAME, PDF_NAME = "report.json", "report.html", "report.pdf"
CURVES_NAME = "curves.csv"
R_FOLDER = "r-check"
