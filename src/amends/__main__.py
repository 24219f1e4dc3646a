"""`python -m amends` is `amends`."""

from amends.ops.cli import main

main()
