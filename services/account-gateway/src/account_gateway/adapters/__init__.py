"""What goes out: the two services behind the gateway."""
