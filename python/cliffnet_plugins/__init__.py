"""What pytest and hypothesis load when they start.

Apart from ``cliffnet``, because importing anything inside it imports torch, which takes seconds; here nothing is
imported before a test run or a strategy needs it.
"""
