#!/usr/bin/env bash
# Checks the pipelines and tests; errors and warnings are annotations at their lines.
set -euo pipefail

paths=()
while IFS= read -r path; do [ -z "$path" ] || paths+=("$path"); done <<< "${YAMLGEN_PATHS:-.}"

yamlgen validate --output-format github -- "${paths[@]}"
