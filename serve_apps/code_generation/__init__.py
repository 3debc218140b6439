"""Code generation: from a requirement in Chinese or English to a Python function that holds its examples.

A requirement becomes a plan; templates, then small compositions, then (where one is configured) a language model
propose code; what is returned has been run on the examples in the sandbox, or says that it has not.
"""
