"""A run: from a request to a plan, and from a plan to samples and scores."""
