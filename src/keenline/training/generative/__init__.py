"""Networks that turn good surfaces into defective ones, so that there are more to learn from."""
