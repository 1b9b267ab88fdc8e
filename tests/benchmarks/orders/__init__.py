"""What an order costs beside bare DBOS, and what a worker costs that has nothing to do."""
