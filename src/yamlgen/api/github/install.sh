#!/usr/bin/env bash
# Installs yamlgen. The package `yamlgen` of PyPI is another project.
set -euo pipefail

if [ -z "${YAMLGEN:-}" ]; then
    echo "::error::set YAMLGEN in this workflow to what pip installs: a folder or wheel in this repository, or git+https://..."
    exit 1
fi
python -m pip install --quiet "$YAMLGEN"
