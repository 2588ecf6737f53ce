"""The line: triggers and frames turned into verdicts on time, whatever fails."""
