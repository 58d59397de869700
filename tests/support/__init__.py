"""What tests share: real throw-away servers and running stacks."""
