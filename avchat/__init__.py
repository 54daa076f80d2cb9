"""The platform: settings, addresses, the ASGI application, and the apps around the messenger itself."""
