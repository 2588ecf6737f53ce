"""Results on their way out: to brokers, and to clients that ask for them."""
