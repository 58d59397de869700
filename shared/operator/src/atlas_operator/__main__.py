"""`python -m atlas_operator`: the command line for a system that runs elsewhere."""

from atlas_kit.process.loading import loading

with loading():
    from atlas_operator.command_line import main

if __name__ == "__main__":
    main()
