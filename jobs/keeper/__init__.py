"""The keeper: records what workers tell, dispatches what is due, rescues what was lost, prunes what is old."""
