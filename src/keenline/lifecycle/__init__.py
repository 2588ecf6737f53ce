"""What a bundle may do and how that came about: stages, acceptance, authority, and their ledger."""
