"""Where runs train: one file for each engine, behind one interface. What holds a run until it begins."""
