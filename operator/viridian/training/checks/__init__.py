"""Built-in checks of data: what a policy asks of its columns is answered in a few passes over the rows.

Nothing of the rows is reported but counts and shares. The rows are never held as a whole: polars reads them in parts,
and a few columns at a time.
"""
