"""Results to strings; nothing here prints."""
