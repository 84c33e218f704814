"""Pages about tools and their servers."""
