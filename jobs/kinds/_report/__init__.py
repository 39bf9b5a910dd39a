"""The parts of the kind "report": typed tables, profile, grouping, charts, documents.

Only `choices` and `history` are imported by pages; the others load the table engine and belong to `run`.
"""
