"""`python -m atlas_localstack`: what `./atlas` runs once everything is installed."""

from atlas_kit.process.loading import loading

with loading():
    from atlas_localstack.cli.app import main

if __name__ == "__main__":
    main()
