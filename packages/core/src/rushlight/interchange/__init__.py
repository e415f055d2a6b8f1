"""Tensors handed to others: memory shared with libraries, copies of the object, files.

Each module is imported when it is first asked for.
"""
