"""The existing web app's database (project-atlas): read, and never written."""
