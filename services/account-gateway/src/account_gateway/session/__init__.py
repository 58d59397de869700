"""Who is calling: the session of the existing Atlas web app, by cookie or bearer token."""
