"""What can be run: one file a flow, and `cli`."""
