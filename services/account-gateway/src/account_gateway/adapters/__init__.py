"""What goes out: questions to the services behind the gateway."""
