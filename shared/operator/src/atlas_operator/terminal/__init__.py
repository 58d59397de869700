"""What the commands print, and how they check what was typed."""
