"""A Messages API over real HTTP that needs no key and no network, for trying a pipeline and for tests.

Everything between a client and the API stays in play: headers, envelopes, streams, retries. What it does not
do is think: its answers are drawn from the schema and the field names, the same for the same request.
"""
