"""The data of the laboratories, made at build time from the shipped models and results."""
