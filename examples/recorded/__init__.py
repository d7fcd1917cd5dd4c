"""What `unintended_impacts.py` reads, one module an experiment.

Each gives `PLACE` (what its files are called), `found(root)` (model and files), `rows(root)` (the questions, once every
file of every model has been read) and `replies(files, items)` (what one model answered).
"""
