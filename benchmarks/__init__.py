"""What Jobsite can do, measured: `python -m benchmarks`. docs/benchmarks.md says how, and what came out."""
