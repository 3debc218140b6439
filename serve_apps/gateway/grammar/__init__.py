"""What an answer must look like: JSON schemas and regular expressions, checked, turned into grammars, and matched.

Pure functions. A grammar is EBNF as xgrammar and llama.cpp write it, its start `root`.
"""
