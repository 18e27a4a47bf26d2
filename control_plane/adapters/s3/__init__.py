"""S3, or what speaks its protocol: the client, and reading an object within bounds."""
