"""The widget, the demo and the dashboard in a real browser."""
