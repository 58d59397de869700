"""Where work comes in: HTTP routes and the pull's schedule. They parse, call a use case, and answer."""
