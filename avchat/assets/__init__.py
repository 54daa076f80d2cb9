"""File delivery: each site's loader, and the widget's files."""
