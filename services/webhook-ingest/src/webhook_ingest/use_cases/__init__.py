"""What the service does, one module per task: async functions that get their dependencies as parameters."""
