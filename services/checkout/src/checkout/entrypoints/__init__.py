"""Where work comes in: HTTP routes. They parse, call a use case, and answer."""
