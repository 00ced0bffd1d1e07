"""What plugins may take from the harness: the parts of it that they would otherwise write again."""
