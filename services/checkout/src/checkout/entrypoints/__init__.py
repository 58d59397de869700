"""What comes in: routes, subscribers, schedules. They parse, call a use case, answer."""
