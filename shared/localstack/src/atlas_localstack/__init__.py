"""The whole system on one machine: embedded servers, their supervisor, and the commands of `./atlas`."""
