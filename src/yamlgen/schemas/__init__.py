"""The author's JSON Schemas: loaded, checked, bundled, enforced; and the static types that are made of them."""
