"""What a run found, read: its values, their comparison and its reports."""
