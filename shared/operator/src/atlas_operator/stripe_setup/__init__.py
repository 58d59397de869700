"""`./atlas stripe setup`: what Atlas needs in a Stripe account, compared with what is there, and made where it lacks.

Nothing of a former run is remembered but `.env.stripe`: every run looks at Stripe first, and looks again after each
change. So a crash between any two calls is healed by the next run.
"""
