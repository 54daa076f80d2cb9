"""Tags for the templates of the service's own pages."""
