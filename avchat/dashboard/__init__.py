"""The dashboard: where admins sign up, add their sites and install the chat."""
