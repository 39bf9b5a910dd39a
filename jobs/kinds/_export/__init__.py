"""The parts of the kind "export": the columns of a job, and one writer for each format."""
