//! Live broadcasts and their HTTP: one mux a broadcast, many viewers.
