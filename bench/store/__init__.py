"""What is kept on a disk or behind a URL: found by key, whole or not at all, and read as if a
stranger had written it."""
