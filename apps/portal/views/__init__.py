"""Pages of the frame: home, team, settings, the style guide."""
