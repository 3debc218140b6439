"""The ground floor: strict configs, the run directory and its lineage, errors, progress, reports, metric names.

Everything else of danlu stands on these modules; they import none of it.
"""

__version__ = "0.1.0"
