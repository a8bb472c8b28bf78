"""The model: Claude through the SDK and instructor, and a simulator of its API."""
