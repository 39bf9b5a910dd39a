"""The parts of the kind `feeds`."""
