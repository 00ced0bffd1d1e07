"""This machine: threads, number formats, memory, folders and versions."""
