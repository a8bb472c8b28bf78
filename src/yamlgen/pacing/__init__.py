"""The pace of requests: which one is sent when, under known and unknown rate limits of the API."""
