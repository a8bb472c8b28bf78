#!/usr/bin/env bash
# Runs the tests on their recorded answers and writes a JUnit report. Failed cases are annotations at their lines.
set -euo pipefail

tests=()
while IFS= read -r path; do
    if [ -d "$path" ]; then
        [ -z "$(find "$path" -name '*.test.y*ml' -not -path '*/.*' -print -quit)" ] || tests+=("$path")
    elif [ -f "${path%.y*ml}.test.yaml" ]; then
        tests+=("${path%.y*ml}.test.yaml")
    elif [ -n "$path" ] && [ "${path%.test.y*ml}" != "$path" ]; then
        tests+=("$path")
    fi
done <<< "${YAMLGEN_PATHS:-.}"
if [ ${#tests[@]} = 0 ]; then
    echo "::notice::yamlgen test: there are no tests"
    exit 0
fi

status=0
yamlgen test --output-format junit -- "${tests[@]}" > "${YAMLGEN_JUNIT:-yamlgen-junit.xml}" || status=$?
if [ "$status" = 1 ]; then
    yamlgen test --output-format github -- "${tests[@]}" || true
fi
exit "$status"
