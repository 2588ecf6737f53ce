"""One file for each schema, oldest first; a step that was released never changes."""
