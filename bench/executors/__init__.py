"""Where the tasks of a run are done: in this process, in others, and on other machines."""
