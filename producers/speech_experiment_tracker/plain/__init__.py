"""Scoring of plain files, without a server: what lies in a folder, which texts belong together, and their scores.

Needs the extra `scoring`, and is imported by the commands that score.
"""
