"""The pages /pro, /account and /dev/sign-in: templates, styles, scripts."""
