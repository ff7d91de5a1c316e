"""The resources of the API, one file each: models, operations, and the class with the methods."""
