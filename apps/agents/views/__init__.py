"""Pages about agents and connections."""
