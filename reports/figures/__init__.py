"""What several figures share: colours, markers and files; contact sheets of pictures."""
