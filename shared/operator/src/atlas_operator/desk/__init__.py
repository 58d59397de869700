"""The support desk: a web page for people who answer "I paid and I am not Pro". It is never on a public address."""
