"""Turns scores and verdicts into numbers an auditor accepts: pure arithmetic, no files, no SDK."""
