"""What several metrics take: pictures, colour differences and networks."""
