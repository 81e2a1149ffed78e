"""One file a command: its options with help, one call of the API, one rendering."""
