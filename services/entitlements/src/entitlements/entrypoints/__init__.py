"""Where work comes in: HTTP routes and the broker's subscriber. They parse, call a use case, and answer."""
