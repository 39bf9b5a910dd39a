"""The parts of the kind "import": rows of any table, the map from columns to parameters, values."""
