"""Results, events and images kept for good: a database, a place for images, a chain of hashes."""
