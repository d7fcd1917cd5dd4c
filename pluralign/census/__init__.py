"""Who is in a data set: languages and scripts, English of several places, countries and identities that are named.

A census is a sum. Every row gives facts with a number each, `count` adds them up, and sums of stretches of the data add
up to the sum of the whole, so that stretches may be counted anywhere, in any order (`counts.py`).
"""
