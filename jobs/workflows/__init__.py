"""Jobs tied by chain, group and chord: accepted whole, unblocked step by step, cancelled and retried as one."""
