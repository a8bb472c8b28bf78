"""A simulated Messages API over real HTTP, for trying a pipeline and for tests; it needs no key and no network.

It implements everything between a client and the API: headers, error envelopes, streams, retries. It does not think:
its answers are drawn from the schema and the field names. The same request always gets the same answer.
"""
