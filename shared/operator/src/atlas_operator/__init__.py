"""The operators' command line, for production and the local stack: commands about users and payments, and a doctor."""
