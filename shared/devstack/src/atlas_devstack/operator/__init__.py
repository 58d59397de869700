"""What an operator asks of the services, over HTTP with short-lived tokens, locally or in production."""
