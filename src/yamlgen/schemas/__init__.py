"""The author's JSON Schemas: loading, checking, bundling and validation, and the static types derived from them."""
