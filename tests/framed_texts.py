"""The texts of a store that are kept without what they share, as they were."""

from yamlgen.store.codec import unpacked_text
from yamlgen.store.text_frame import TextFrame

PLACES = (("attempt", "request"), ("attempt", "response"), ("batch_request", "request"))


def framed_texts(connection):
    """Each text that is stored against a frame, with its table and column."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'frame'").fetchone():
        return
    frames = {
        number: TextFrame(unpacked_text(text)) for number, text in connection.execute("SELECT id, text FROM frame")
    }
    for table, column in PLACES:
        query = f"SELECT {column}, {column}_frame FROM {table} WHERE {column}_frame IS NOT NULL"  # noqa: S608
        for data, frame in connection.execute(query):
            yield table, column, unpacked_text(data, frames[frame])
