"""What kinds that fetch over HTTP share: checked URLs and addresses, and a client with limits."""
