"""Reports: tables and figures made from the results of one or several runs."""
