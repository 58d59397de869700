"""Technical code that every Atlas billing service shares: HTTP, the broker, the process, the database."""
