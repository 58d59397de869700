"""What operators use, in production as on the local stack: the commands that look after the money, and the doctor."""
