"""The edge to the terminal: options, sessions, rendering."""
