"""Zips that strangers have packed, read within stated limits; and names of files, none twice."""
