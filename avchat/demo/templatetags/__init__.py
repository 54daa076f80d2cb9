"""Tags of the demo community's templates."""
