"""What methods share: networks, losses, codes, and ridge regression."""
