"""Tables as people and programs write them, for every kind that reads or writes one.

`text` and `json_lines` are plain Python; `workbook` has a process of its own read a workbook; it loads the table
engine only for a frame, which belongs to `run`.
"""
