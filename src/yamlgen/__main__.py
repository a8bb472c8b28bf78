"""`python -m yamlgen`: the command line, for when `yamlgen` is not on the path."""

from yamlgen.cli import main

if __name__ == "__main__":
    main()
