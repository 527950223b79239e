"""Finding the documents that answer a query by the vectors of both; its arithmetic is NumPy's."""
