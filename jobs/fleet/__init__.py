"""The machinery: which workers there are, what waits in the queues, and what operators may ask of both."""
