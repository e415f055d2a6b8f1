"""Native code from loop nests: text of LLVM's language, its compilation, and its cache.

Knows nothing of tensors, of graphs, or of how programs run.
"""
