#!/usr/bin/env bash
# Writes the report of the diff as a comment of the pull request, or renews the one that is there. It fails no job.
set -euo pipefail

answer=$RUNNER_TEMP/yamlgen-answer.json
body=$RUNNER_TEMP/yamlgen-body.json
issues=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues

without_comment() {
    echo "::$1::yamlgen diff: no comment: $2"
    exit 0
}

# Sends a request, and leaves the answer in a file. The token is not in the arguments, which other processes can see.
request() {
    local status
    status=$(curl --silent --show-error --connect-timeout 10 --max-time 30 --output "$answer" --write-out '%{http_code}' \
        --header @<(printf 'Authorization: Bearer %s\n' "$YAMLGEN_TOKEN") \
        --header 'Accept: application/vnd.github+json' --header 'X-GitHub-Api-Version: 2022-11-28' "$@") ||
        without_comment warning "the API did not answer"
    case $status in
        2??) ;;
        401 | 403 | 404) without_comment notice "the token may not write it (HTTP $status), as for a pull request from a fork" ;;
        *) without_comment warning "the API answered with HTTP $status" ;;
    esac
}

[ -n "${YAMLGEN_PULL_REQUEST:-}" ] || without_comment notice "this is no pull request"
command -v curl > /dev/null || without_comment warning "curl is not installed"
command -v jq > /dev/null || without_comment warning "jq is not installed"

# The comment begins with a line by which it is found again. That line in a comment of a stranger is passed over.
marker=$(head -n 1 "$YAMLGEN_COMMENT")
found=
for page in {1..50}; do
    request "$issues/$YAMLGEN_PULL_REQUEST/comments?per_page=100&page=$page"
    found=$(jq -r --arg marker "$marker" '[.[] | select((.body // "") | startswith($marker))
        | select(.user.type == "Bot" or (.author_association | IN("OWNER", "MEMBER", "COLLABORATOR"))) | .id][0] // empty' \
        "$answer")
    [ -z "$found" ] || break
    [ "$(jq length "$answer")" = 100 ] || break
done

jq -Rs '{body: .}' "$YAMLGEN_COMMENT" > "$body"
if [ -n "$found" ]; then
    request --request PATCH --data "@$body" "$issues/comments/$found"
elif [ "${YAMLGEN_DIFFERS:-true}" = true ]; then
    request --request POST --data "@$body" "$issues/$YAMLGEN_PULL_REQUEST/comments"
fi
