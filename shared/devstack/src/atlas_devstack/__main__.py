"""`python -m atlas_devstack`: what `./atlas` becomes once everything is installed."""

from atlas_devstack.cli.app import main

if __name__ == "__main__":
    main()
