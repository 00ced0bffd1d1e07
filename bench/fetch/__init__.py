"""What is fetched from the network: data sets and published weights."""
