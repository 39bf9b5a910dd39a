"""A report as files: PDF and HTML to read, XLSX and CSV to go on with."""
