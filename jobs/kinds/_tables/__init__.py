"""Tables as people and programs write them, for every kind that reads or writes one.

`text` and `json_lines` are plain Python; `workbook` loads the table engine and belongs to `run`.
"""
