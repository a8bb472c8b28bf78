"""The fixes for values that keys do not accept, for all values alike."""

from typing import Final

FIXES: Final = {
    "base_url": "write `https://host` or `https://host/path`, without a user, a password, a query or a fragment",
    "api_key_env": "write the name of an environment variable, such as `ANTHROPIC_API_KEY`",
    "env": "write the name of an environment variable, such as `TEAM_TOKEN`",
    "headers": "write each header with its variable, as in `headers: {x-team: {env: TEAM_TOKEN}}`",
    "workspace": "write the id of the workspace, or `{env: VARIABLE}`",
    "metadata": 'write it as a mapping, as in `metadata: {user_id: "{{ row.user_id }}"}`',
    "extra_body": "write each field with its value, as in `extra_body: {container: ...}`",
    "max_unusable": "write a percentage up to 100%, such as `90%`, or `none`",
    "max_failures": "write a number of rows, or a percentage up to 100%, such as `5%`",
    "thinking": "write `adaptive`, `disabled`, `between_tools`, or `{budget_tokens: 2048}`",
    "quota_share": "write a part of the rate limits, above 0 and up to 1, such as `0.25`",
    "python_workers": "write `auto` for one process for each core, or their number up to 512; 0 uses threads instead",
    "on_refusal": "write `fail`, `default`, or up to three models in a list, as in `on_refusal: [other]`",
    "delimiter": r'write one character, as in `delimiter: ";"`; for a tab, write `"\t"`',
    "sample": "write the number of rows, as in `sample: {n: 500, seed: 1}`",
    "tables": "write a name for each table, as in `tables: {r: reviews.csv}`",
    "memory": "write a number and a unit, such as `2GB` or `512MiB`",
    "call": "write `module:function`, for a function in the file `module.py` next to the pipeline",
}
"""The fixes by key."""

FIXES_OF_OUTPUTS: Final = {
    "columns": "write each column as a name with an expression, as in `columns: {text: row.text}`",
    "exclude": "list the columns to leave out, as in `exclude: [id, steps.draft]`",
    "split": "write each part with its share, as in `split: {train: 0.9, test: 0.1}`",
}
"""The fixes by key of an output, where a key of this name means something else elsewhere."""
