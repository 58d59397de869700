"""What the commands print, and what they take from whoever types."""
