"""The composition root, which connects the rooms: load, plan and run a pipeline, and read its past runs.

The command line calls only this room, so Python users can do the same. Their functions are in `commands`, `loading`,
`pipeline_views`, `project_files`, `simulated_api` and `history`, and use the words of the commands.
"""
