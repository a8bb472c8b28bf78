"""The language server: what an editor shows about a pipeline that is being written."""
