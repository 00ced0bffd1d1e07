"""Data sets as arrays: parts, copies of test photographs among the others, and statistics of colour
fields."""
