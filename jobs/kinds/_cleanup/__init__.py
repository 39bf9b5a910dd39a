"""The parts of the kind "cleanup": which jobs it takes, and what they hold."""
