"""Which stored results a person should look at next, and what becomes of the judgements."""
