"""The product on the services that it uses in production, each started by the tests themselves."""
