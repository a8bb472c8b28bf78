"""Which request goes out, and when: rate limits of the API, known and unknown."""
