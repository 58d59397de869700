"""One verb each: plain async functions whose parameters are their dependencies."""
