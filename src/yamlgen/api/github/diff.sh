#!/usr/bin/env bash
# Writes what the change sends again into the summary of the job, and into a file for the comment.
set -euo pipefail

paths=()
while IFS= read -r path; do [ -z "$path" ] || paths+=("$path"); done <<< "${YAMLGEN_PATHS:-.}"
base=${YAMLGEN_BASE:-${GITHUB_BASE_REF:+origin/$GITHUB_BASE_REF}}
report=$RUNNER_TEMP/yamlgen-diff.md
comment=$RUNNER_TEMP/yamlgen-comment.md

# Prints the first lines of the report, at most so many bytes. A block that is open where it is cut is closed.
cut_report() {
    LC_ALL=C awk -v most="$1" '
        { size += length($0) + 1 }
        size > most { if (fence != "") print fence; print "\n*The rest is in the log of the job.*"; exit }
        match($0, /^(```+|~~~+)/) {
            mark = substr($0, 1, RLENGTH)
            if (fence == "") fence = mark; else if (index($0, fence) == 1) fence = ""
        }
        { print }
    ' "$report"
}

if [ -z "$base" ]; then
    echo "yamlgen diff: there is no base to compare with, because this is no pull request." | tee -a "$GITHUB_STEP_SUMMARY"
    exit 0
fi

status=0
printf '### What this change sends again\n\n' > "$report"
yamlgen diff "$base..." "${paths[@]}" --output-format markdown --exit-code >> "$report" || status=$?
case $status in
    0 | 1) ;;
    2) message="a pipeline that is not valid on one side was not compared; the log of the job has its errors" ;;
    3) message="this clone does not contain the history of $base; check out with fetch-depth: 0" ;;
    *) exit "$status" ;;
esac
if [ "$status" -gt 1 ]; then
    echo "::warning::yamlgen diff: $message"
    printf '\nyamlgen diff: %s.\n' "$message" >> "$report"
elif [ -n "${YAMLGEN_WHY:-}" ]; then
    fence='~~~~~~~~~~~~'
    why=$(yamlgen diff "$base..." "${paths[@]}" --why "$YAMLGEN_WHY") || why="see the log of the job"
    printf '\n%s diff\n%s\n%s\n' "$fence" "$why" "$fence" >> "$report"
fi

sed 's/^/| /' "$report" # no line of it is a command of the runner
cut_report 1000000 >> "$GITHUB_STEP_SUMMARY"
{
    echo "<!-- yamlgen diff: ${GITHUB_WORKFLOW//[!A-Za-z0-9 ]/_}/$GITHUB_JOB -->"
    cut_report 64000
} > "$comment"
echo "comment=$comment" >> "$GITHUB_OUTPUT"
echo "differs=$([ "$status" = 0 ] && echo false || echo true)" >> "$GITHUB_OUTPUT"

[ -n "${YAMLGEN_FAIL_ON:-}" ] || exit 0
read -ra conditions <<< "$YAMLGEN_FAIL_ON"
status=0
yamlgen diff "$base..." "${paths[@]}" "${conditions[@]/#/--fail-on=}" > /dev/null || status=$?
[ "$status" = 0 ] || echo "::error::yamlgen diff fails on ${conditions[*]}: exit code $status"
exit "$status"
