"""Where registered releases are written down: files beside the models, or MLflow."""
